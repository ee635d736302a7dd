"""The assistant's questions to people, for whose answers an agent's thread waits."""

from __future__ import annotations

import contextlib
import importlib


def let_go(session_key: str) -> None:
    """End the wait for an answer to a session's question: nothing that stops a turn does."""
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module("tools.clarify_gateway").clear_session(session_key)
