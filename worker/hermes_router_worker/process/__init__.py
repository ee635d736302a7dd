"""The worker as a process: its supervisor, its pipes, the processes below it, Linux calls.

Knows nothing of Hermes, and imports nothing from the other packages. Begin at :mod:`.supervisor`.
"""
