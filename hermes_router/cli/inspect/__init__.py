"""What commands check without starting anything: homes, the machine, profiles, versions.

This package reads files and asks the operating system; it writes nothing. Begin at :mod:`.homes`.
"""
