"""What is sent for workers, by Hermes's own functions and its real adapters.

Begin at ``test_delivery.py``.
"""
