"""What there is too little of: memory, processor time, places for turns, and who waits for it.

Begin at ``test_limits.py``.
"""
