"""Seeing what the router does and did: records of turns, their figures, the joined logs.

The gateway writes here; the commands of :mod:`hermes_router.cli` read. Nothing here decides
anything about a turn.
"""
