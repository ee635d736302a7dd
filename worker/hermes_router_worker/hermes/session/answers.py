"""Decide whether a message answers what a session waits for.

While the gateway drains, a running turn may be answered, but nothing else may begin. So a message
is checked before it is accepted: if Hermes would not read it as an answer, it is new work.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hermes_router_worker.hermes.session import questions

#: What Hermes before 0.22 reads as an answer to "may I run this command?", besides its slash
#: commands. Later versions are asked, because their words depend on the profile's language.
APPROVAL_WORDS = frozenset(
    (
        *("approve", "yes", "ok", "okay", "confirm", "y", "👍"),
        *("deny", "no", "reject", "cancel", "n", "👎"),
        *("always", "approve always", "always approve"),
        *("session", "approve session", "session approve"),
    )
)

#: What Hermes reads as an answer to "do you really want this command?", with or without a slash.
CONFIRMATION_WORDS = frozenset(
    ("approve", "approve once", "once", "always", "always approve", "cancel", "nevermind", "no")
)
CONFIRMATION_COMMANDS = frozenset(
    ("approve", "yes", "ok", "confirm", "always", "remember", "cancel", "no", "deny", "nevermind")
)


def is_awaited(runner: Any, session_key: str, event: Any) -> bool:
    """Return True if ``event`` answers an approval, a question or a confirmation of the session.

    The receiver refuses any other message that the gateway marks with ``answer``.
    """
    words, command = (event.text or "").strip().lower(), event.get_command()
    if questions.approval_open(session_key) and words in approval_words(runner):
        return True
    if questions.question_of(session_key):
        return not command
    if questions.confirmation_of(session_key):
        return command in confirmation_commands(runner) or words.lstrip("!/") in confirmation_words(
            runner
        )
    return False


def approval_words(runner: Any) -> Collection[str]:
    """Return the words that answer an approval, in the profile's language."""
    ask = getattr(runner, "_plaintext_approval_words", None)
    return APPROVAL_WORDS if ask is None else ask()


def confirmation_words(runner: Any) -> Collection[str]:
    """Return the words that answer a confirmation, in the profile's language."""
    ask = getattr(runner, "_slash_confirm_text_choices", None)
    return CONFIRMATION_WORDS if ask is None else ask()


def confirmation_commands(runner: Any) -> Collection[str]:
    """Return the slash commands that answer a confirmation."""
    return getattr(runner, "_SLASH_CONFIRM_CMD_CHOICES", CONFIRMATION_COMMANDS)
