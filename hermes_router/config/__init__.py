"""The configuration of the router: reading it, checking it, and following its edits.

This package reads the router's parts of the gateway home's ``config.yaml``. It may use ``routing``,
``protocol`` and ``errors``. Begin at :mod:`.model`, which the other packages use.
"""
