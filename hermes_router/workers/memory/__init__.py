"""The memory of this machine and of process trees, as the kernel tells it.

This package reads and judges; the pool acts. Begin at :mod:`.memory_watch`.
"""
