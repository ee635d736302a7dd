"""The worker: one process that serves one session of one Hermes profile, and exits.

It is started by hermes-router's gateway side, speaks :mod:`hermes_router.protocol` over the pipe
that it inherits as descriptors 0 and 1, and imports from the router nothing but that protocol.
"""
