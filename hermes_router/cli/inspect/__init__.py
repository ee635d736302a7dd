"""What commands check without starting anything: homes, the machine, profiles, versions.

This package reads files and asks the operating system; it writes nothing. Begin at :mod:`.homes`
and :mod:`.loading`, which many commands use. Three packages have the rest: the checks of
``doctor``, the facts of one profile, and what a running gateway does.
"""
