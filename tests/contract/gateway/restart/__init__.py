"""The end of a gateway and the start of the next one: what each of them does with open messages.

Begin at ``test_recovery.py``.
"""
