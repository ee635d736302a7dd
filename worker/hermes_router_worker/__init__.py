"""The worker: one process that serves one session of one Hermes profile, and exits.

The gateway side of hermes-router starts it. It speaks :mod:`hermes_router.protocol` over the pipe
that it inherits as descriptors 0 and 1, and imports nothing else from the router.
"""
