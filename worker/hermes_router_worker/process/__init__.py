"""The worker as a process: its supervisor, the tree below it, what it prints, what Linux offers.

Knows nothing of Hermes, and imports nothing from the other packages. Begin at :mod:`.supervisor`.
"""
