"""Remember what a conversation's newest message shows, so that no answer is sent a second time.

Hermes edits a streamed answer once more when the chat shows it in full already. If the platform
refuses that edit, Hermes takes the answer for undelivered and sends all of it as a new message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Newest:
    message_id: str
    text: str
    final: bool
    result: Any


class ShownText:
    """The text of one conversation's newest message, and the result of the call that showed it.

    The relay calls :meth:`sent`, :meth:`edited` and :meth:`deleted` for the worker's calls.
    """

    def __init__(self) -> None:
        self._newest: _Newest | None = None

    def sent(self, call: Mapping[str, Any], result: Any) -> None:
        """Remember a new message: the arguments of its ``send``, and the adapter's result."""
        self._note(getattr(result, "message_id", None), call, result, final=False)

    async def edited(self, call: Mapping[str, Any], edit: Callable[[], Awaitable[Any]]) -> Any:
        """Call ``edit``, which asks the adapter to change a message, and return its result.

        ``call`` are the arguments of ``edit_message``. If the message shows this text already, a
        failed edit returns the earlier result, as if it had succeeded, and a second last edit is
        not made at all.
        """
        newest, final = self._newest, bool(call.get("finalize"))
        same = newest is not None and (newest.message_id, newest.text) == _named(call)
        if newest is not None and same and newest.final and final:
            return newest.result
        result = await edit()
        if getattr(result, "success", False):
            number = getattr(result, "message_id", None) or call["message_id"]
            self._note(number, call, result, final=final)
        elif newest is not None and same:
            return newest.result
        return result

    def deleted(self, message_id: object) -> None:
        """Forget a message that was deleted."""
        if self._newest is not None and self._newest.message_id == str(message_id):
            self._newest = None

    def _note(self, number: object, call: Mapping[str, Any], result: Any, *, final: bool) -> None:
        if number is not None and getattr(result, "success", False):
            self._newest = _Newest(str(number), str(call.get("content")), final, result)


def _named(call: Mapping[str, Any]) -> tuple[str, str]:
    """Return the message that an edit names, and its new text."""
    return str(call["message_id"]), str(call.get("content"))
