"""What a session waits for from people: approvals, the assistant's questions, confirmations."""

from __future__ import annotations

import contextlib
import importlib
import time
from typing import Any


def approval_open(session_key: Any) -> bool:
    """Return True if the session waits for a person to approve a command."""
    return bool(_module("tools.approval").has_blocking_approval(session_key))


def approve(session_key: str, choice: Any) -> Any:
    """Answer the session's oldest open approval; return how many approvals that answered.

    It is 0 if none was open, for example because it has expired.
    """
    return _module("tools.approval").resolve_gateway_approval(session_key, choice)


def question_open(clarify_id: Any) -> bool:
    """Return True if this question of the assistant still waits for a person's answer."""
    return clarify_id in _module("tools.clarify_gateway")._entries


def question_of(session_key: str) -> Any:
    """Return the question that waits in a session, with or without choices, or None."""
    clarify = _module("tools.clarify_gateway")
    return clarify.get_pending_for_session(session_key, include_choice_prompts=True)


def answer(clarify_id: str, choice: Any) -> None:
    """Give the assistant a person's answer to its question; an unknown question is ignored."""
    _module("tools.clarify_gateway").resolve_gateway_clarify(clarify_id, choice)


def await_typed(clarify_id: str) -> None:
    """Have Hermes take the conversation's next message as the answer to this question.

    Called when a person chose to type the answer. Returns at once.
    """
    _module("tools.clarify_gateway").mark_awaiting_text(clarify_id)


def let_go(session_key: str) -> None:
    """End the wait for an answer to a session's question; called at ``/stop``.

    Hermes's own ``/stop`` does not end it, so that the agent's thread would wait on.
    """
    with contextlib.suppress(ImportError, AttributeError):
        _module("tools.clarify_gateway").clear_session(session_key)


def confirmation_of(session_key: Any) -> dict[str, Any] | None:
    """Return the confirmation that waits in a session, or None."""
    found: dict[str, Any] | None = _module("tools.slash_confirm").get_pending(session_key)
    return found


async def confirm(session_key: str, confirm_id: str, choice: Any) -> Any:
    """Answer a slash command's confirmation; return the text for the person.

    It is None if the confirmation does not wait any more.
    """
    return await _module("tools.slash_confirm").resolve(session_key, confirm_id, choice)


def confirm_pending() -> bool:
    """Return True if a slash command of any session here waits for a confirmation."""
    pending = getattr(_module("tools.slash_confirm"), "_pending", {})
    return any(not confirm_expired(entry) for entry in list(pending.values()))


def confirm_expired(entry: dict[str, Any]) -> bool:
    """Return True if Hermes would not act on this confirmation any more, because it is too old."""
    limit = getattr(_module("tools.slash_confirm"), "DEFAULT_TIMEOUT_SECONDS", 300)
    return time.time() - float(entry.get("created_at") or 0) > limit


def _module(name: str) -> Any:
    return importlib.import_module(name)
