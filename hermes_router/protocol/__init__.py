"""The protocol that the gateway and a worker share: messages, their frames, and the surface table.

This package defines everything that the two processes send to each other; docs/protocol.md
describes it. It imports nothing of the project, and the worker imports nothing else of the router.
Begin at :mod:`.messages`.
"""
