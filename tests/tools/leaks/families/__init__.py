"""The rows of the suite, a module for each family of ways in which one profile can reach another.

A row plants markers in a ``World`` and probes at a ``Side``. ``rows.py`` of the suite lists the
families. Begin at :mod:`.process`.
"""
