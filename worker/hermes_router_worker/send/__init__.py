"""Sending beyond the own conversation: Hermes's send engine with the gateway as its transport.

Begin at :mod:`.engine`.
"""
