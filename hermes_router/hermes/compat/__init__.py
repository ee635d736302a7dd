"""What the gateway side knows of Hermes: its names, arguments and results.

When a release of Hermes moves something, the change is made here. Begin at :mod:`.seams`.
"""
