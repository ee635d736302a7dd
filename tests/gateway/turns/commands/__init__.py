"""Slash commands in routed conversations: what they do, and who may give them.

Begin at ``test_commands.py``.
"""
