"""Sending beyond the own conversation: Hermes's send engine with the gateway as its transport.

May use ``hermes`` and ``process``. Begin at :mod:`.engine`.
"""
