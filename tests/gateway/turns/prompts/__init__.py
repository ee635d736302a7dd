"""Questions of the assistant with buttons: who may answer, and what comes of an answer.

Begin at ``test_prompts.py``.
"""
