"""The worker as a process: its supervisor, its pipes, the tree below it, what Linux offers.

Knows nothing of Hermes, and imports nothing from the other packages. Begin at :mod:`.supervisor`.
"""
