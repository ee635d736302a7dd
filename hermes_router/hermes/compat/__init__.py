"""The gateway side's knowledge of Hermes: what it is called, what it takes, and what it returns.

A release of Hermes that moves something is answered here. Begin at :mod:`.seams`.
"""
