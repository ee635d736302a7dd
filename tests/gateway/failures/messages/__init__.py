"""Each accepted message has one outcome, whatever becomes of the worker that has it.

Begin at ``test_outcomes.py``.
"""
