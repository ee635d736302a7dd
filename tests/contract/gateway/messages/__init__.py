"""What the real handler of messages does with a routed message, until a worker has it.

Begin at ``test_admission.py``.
"""
