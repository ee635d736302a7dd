"""What the gateway's side and a worker share: messages, their framing, and the surface table.

Owns every word that the two processes say to each other; docs/protocol.md describes them. Imports
nothing of the project, and the worker imports nothing else of the router. Begin at
:mod:`.messages`.
"""
