"""The relay: it executes a worker's calls on the real adapter, under a policy.

This package owns the rules of what a worker may send, where, and how people see it. It knows the
real adapter of a platform only as an object that its callers pass in. It may use ``state`` and
``workers``. Begin at :mod:`.relay`.
"""
