"""Which messages answer what a session waits for.

While the gateway drains, a running turn may be answered and nothing else may begin. So a message is
looked at before it is taken: one that Hermes would not read as an answer is new work.
"""

from __future__ import annotations

import importlib
from typing import Any

#: What Hermes reads as an answer to "may I run this command?", besides its slash commands.
APPROVAL_WORDS = frozenset(
    (
        *("approve", "yes", "ok", "okay", "confirm", "y", "👍"),
        *("deny", "no", "reject", "cancel", "n", "👎"),
        *("always", "approve always", "always approve"),
        *("session", "approve session", "session approve"),
    )
)

#: What it reads as an answer to "do you really want this command?", with or without a slash.
CONFIRMATION_WORDS = frozenset(
    ("approve", "approve once", "once", "always", "always approve", "cancel", "nevermind", "no")
)
CONFIRMATION_COMMANDS = frozenset(
    ("approve", "yes", "ok", "confirm", "always", "remember", "cancel", "no", "deny", "nevermind")
)


def is_awaited(session_key: str, event: Any) -> bool:
    """Say whether ``event`` answers an approval, a question or a confirmation of the session."""
    words, command = (event.text or "").strip().lower(), event.get_command()
    if _module("tools.approval").has_blocking_approval(session_key) and words in APPROVAL_WORDS:
        return True
    if _module("tools.clarify_gateway").get_pending_for_session(
        session_key, include_choice_prompts=True
    ):
        return not command
    if _module("tools.slash_confirm").get_pending(session_key):
        return command in CONFIRMATION_COMMANDS or words.lstrip("!/") in CONFIRMATION_WORDS
    return False


def _module(name: str) -> Any:
    return importlib.import_module(name)
