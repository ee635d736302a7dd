"""Observation of the router: records of turns, their figures, the status and the joined logs.

The gateway writes with this package; the commands of :mod:`hermes_router.cli` read with it. Nothing
here makes a decision about a turn.
"""
