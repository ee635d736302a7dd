"""Hermes's modules of approvals, questions and confirmations, where adapters resolve clicks.

An adapter resolves a click through functions of these modules. A prompt of a worker is entered
there like one of Hermes's, under a key of its own. Its entry holds a function that gets the answer.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any

from hermes_router.hermes.compat.replacing import patches, patching

logger = logging.getLogger(__name__)

#: What a click on each kind of prompt needs of Hermes. Without it, the prompt is asked by text.
NEEDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "send_exec_approval": ("tools.approval", ("resolve_gateway_approval", "_gateway_queues")),
    "send_clarify": (
        "tools.clarify_gateway",
        ("register", "resolve_gateway_clarify", "mark_awaiting_text", "clear_session"),
    ),
    "send_slash_confirm": ("tools.slash_confirm", ("register", "resolve", "clear")),
    "send_model_picker": ("tools.approval", ()),
    "send_choice_picker": ("tools.approval", ()),
}


#: Size of the random number of an adapter's first approval; it fits into a button's 64 bytes.
_FIRST_NUMBER_BITS = 48

#: Per prompt method: the adapter's attribute that shows it answers a late click with "expired".
_TELLS_EXPIRED: Mapping[str, str] = {
    "send_exec_approval": "_claim_callback_state",  # older ones confirmed the click
    "send_clarify": "_notify_clarify_expired",
}


def tells_expired(adapter: Any, method: str) -> bool:
    """Return True if the adapter itself tells people that a click on a closed prompt is too late.

    It does so only while it remembers the prompt, so the caller lets it remember. ``method`` is the
    one that showed the prompt.
    """
    name = _TELLS_EXPIRED.get(method)
    return name is not None and hasattr(adapter, name)


def answerable() -> frozenset[str]:
    """Return the adapter methods that show a prompt whose click this Hermes can pass to the router.

    For each other method of :data:`NEEDS`, a warning is logged: such prompts are asked by text.
    """
    return frozenset(name for name, need in NEEDS.items() if _met(name, *need))


def _met(method: str, module_name: str, names: tuple[str, ...]) -> bool:
    module = _module(module_name)
    missing = [name for name in names if getattr(module, name, None) is None]
    if missing:
        logger.warning(
            "hermes-router: this Hermes lacks %s.%s; routed conversations get questions as text "
            "instead of buttons on %s",
            module_name,
            missing[0],
            method,
        )
    return not missing


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def note_typed_by(wrapper: patching.Wrapper) -> None:
    """Have ``wrapper`` called when somebody clicks on "type the answer" in a question.

    It is called with Hermes's own function and the question's id, and must call that function.
    """
    patching.apply(patches.CLARIFY_TYPED, wrapper)


class _Answered:
    """Replaces the ``Event`` in an entry of Hermes's; Hermes sets it when somebody answers."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._set = False

    def set(self) -> None:
        """Pass the answer on, once."""
        if not self._set:
            self._set = True
            self._tell()

    def is_set(self) -> bool:
        """Say whether somebody has answered."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once: nobody waits here."""
        return self._set


class _Approval:
    """An entry among the approvals that Hermes waits for, with the attributes that Hermes uses."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        self.data: dict[str, Any] = {}
        self.result: str | None = None
        self.reason: str | None = None
        self.cancelled: str | None = None
        self.acknowledged = False
        self.settle = None
        self.event = _Answered(lambda: answer(self.result) if self.result else None)


def open_approval(session_key: str, answer: Callable[[str], object]) -> None:
    """Enter an approval into Hermes's table of open approvals, under the prompt's session key.

    When somebody clicks, Hermes finds it there, and ``answer`` is called with the choice.
    """
    approval: Any = importlib.import_module("tools.approval")
    approval._gateway_queues.setdefault(session_key, []).append(_Approval(answer))


def close_approval(session_key: str) -> None:
    """Remove the approval that was entered under a session key, if it is still there.

    A later click on it then finds nothing.
    """
    importlib.import_module("tools.approval")._gateway_queues.pop(session_key, None)


def open_question(
    clarify_id: str, session_key: str, question: str, choices: Any, answer: Callable[[str], object]
) -> None:
    """Enter a question into Hermes's table of open questions, under its id and session key.

    When somebody clicks, ``answer`` is called with the text of the choice.
    """
    clarify: Any = importlib.import_module("tools.clarify_gateway")
    entry = clarify.register(clarify_id, session_key, question, choices)
    entry.event = _Answered(lambda: answer(entry.response or ""))


def close_question(session_key: str) -> None:
    """Remove the question that was entered under a session key, if it is still there.

    A later click on it then finds nothing.
    """
    importlib.import_module("tools.clarify_gateway").clear_session(session_key)


def open_confirmation(
    session_key: str, confirm_id: str, confirmed: Callable[[str], Awaitable[str | None]]
) -> None:
    """Enter a confirmation into Hermes's table of open ones, under its session key and id.

    When somebody clicks, ``confirmed`` is awaited with the choice, and its text is shown.
    """
    confirm: Any = importlib.import_module("tools.slash_confirm")
    confirm.register(session_key, confirm_id, "routed", confirmed)


def close_confirmation(session_key: str) -> None:
    """Remove the confirmation that was entered under a session key, if it is still there.

    A later click on it then finds nothing.
    """
    importlib.import_module("tools.slash_confirm").clear(session_key)


def number_approvals_apart(adapter: Any) -> None:
    """Have a new adapter begin to number its approvals at a random number instead of 1.

    Hermes's adapters resolve a click by the approval's number alone. A button from before a restart
    would answer the approval that has its number now, perhaps another profile's. An adapter without
    such numbers stays as it is.
    """
    if hasattr(adapter, "_approval_state"):
        adapter._approval_counter = itertools.count(secrets.randbits(_FIRST_NUMBER_BITS))


def may_click(adapter: Any, query: Any, user: Any) -> bool:
    """Return True if Telegram's adapter allows this user to click on buttons in this chat.

    ``query`` is Telegram's object for the click. Every other adapter allows it.
    """
    check = getattr(adapter, "_is_callback_user_authorized", None)
    if check is None:
        return True
    message = getattr(query, "message", None)
    kind = getattr(getattr(message, "chat", None), "type", None)
    thread = getattr(message, "message_thread_id", None)
    return bool(
        check(
            str(getattr(user, "id", "")),
            chat_id=getattr(message, "chat_id", None),
            chat_type=str(kind) if kind is not None else None,
            thread_id=str(thread) if thread is not None else None,
            user_name=getattr(user, "first_name", None),
        )
    )
