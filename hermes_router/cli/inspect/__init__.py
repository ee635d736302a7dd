"""What commands look at without starting anything: homes, the machine, profiles, versions.

It reads files and asks the system; it writes nothing. Begin at :mod:`.homes`.
"""
