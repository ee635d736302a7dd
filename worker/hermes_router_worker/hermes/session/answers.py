"""Which messages answer what a session waits for.

While the gateway drains, a running turn may be answered and nothing else may begin. So a message is
looked at before it is taken: one that Hermes would not read as an answer is new work.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any

#: What Hermes before 0.21.3 reads as an answer to "may I run this command?", besides its slash
#: commands. Later ones are asked: their words depend on the profile's language.
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


def is_awaited(runner: Any, session_key: str, event: Any) -> bool:
    """Say whether ``event`` answers an approval, a question or a confirmation of the session."""
    words, command = (event.text or "").strip().lower(), event.get_command()
    if _module("tools.approval").has_blocking_approval(session_key) and words in approval_words(
        runner
    ):
        return True
    if _module("tools.clarify_gateway").get_pending_for_session(
        session_key, include_choice_prompts=True
    ):
        return not command
    if _module("tools.slash_confirm").get_pending(session_key):
        return command in confirmation_commands(runner) or words.lstrip("!/") in confirmation_words(
            runner
        )
    return False


def approval_words(runner: Any) -> Collection[str]:
    """Return what answers an approval, in the profile's language."""
    ask = getattr(runner, "_plaintext_approval_words", None)
    return APPROVAL_WORDS if ask is None else ask()


def confirmation_words(runner: Any) -> Collection[str]:
    """Return what answers a confirmation, in the profile's language."""
    ask = getattr(runner, "_slash_confirm_text_choices", None)
    return CONFIRMATION_WORDS if ask is None else ask()


def confirmation_commands(runner: Any) -> Collection[str]:
    """Return the slash commands that answer a confirmation."""
    return getattr(runner, "_SLASH_CONFIRM_CMD_CHOICES", CONFIRMATION_COMMANDS)


def _module(name: str) -> Any:
    return importlib.import_module(name)
