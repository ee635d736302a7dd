"""Workers that hang, die, break the protocol or never start: what the others notice of it.

Begin at ``test_trouble.py``.
"""
