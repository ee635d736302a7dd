"""The prompts that this worker showed and that still wait for a person.

The gateway names a prompt by the number of the call that showed it. Here stands what the call was
about, and what a click on it does: the same that Hermes's adapters do where prompt and click are in
one process.
"""

from __future__ import annotations

import importlib
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import PICKER_FIELDS, Method

logger = logging.getLogger(__name__)

#: Seconds that a picker can be used. Hermes sets no limit, but a worker has to leave one day.
PICKER_SECONDS = 300.0


@dataclass(slots=True)
class _Shown:
    method: str
    args: dict[str, Any]
    callback: Any = None
    since: float = field(default_factory=time.monotonic)


def crossing(method: Method, named: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a prompt as they cross: no callback, of a picker the known fields."""
    args = dict(named)
    for name, how in method.rewrites.items():
        if how == "callback":
            args[name] = True
        elif how == "plain_dicts" and args.get(name) is not None:
            args[name] = [
                {key: item[key] for key in PICKER_FIELDS & set(item)} for item in args[name]
            ]
    return args


class Prompts:
    """Prompts by the number of the call that showed them; ``adapter`` is the pipe adapter."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._shown: dict[int, _Shown] = {}

    def show(self, number: int, method: Method, named: dict[str, Any]) -> None:
        """Remember a prompt that is about to be shown."""
        callbacks = [name for name, how in method.rewrites.items() if how == "callback"]
        callback = named.get(callbacks[0]) if callbacks else None
        self._shown[number] = _Shown(method.name, named, callback)

    def forget(self, number: int) -> None:
        """Forget a prompt; one that is gone already is no mistake."""
        self._shown.pop(number, None)

    def picker_open(self) -> bool:
        """Say whether a picker may still be used: its callback lives here."""
        return any(
            shown.callback is not None and self._waited_for(shown) for shown in self._shown.values()
        )

    def take_closed(self) -> list[int]:
        """Return the prompts that nobody waits for any more, and forget them."""
        closed = [number for number, shown in self._shown.items() if not self._waited_for(shown)]
        for number in closed:
            del self._shown[number]
        return closed

    def _waited_for(self, shown: _Shown) -> bool:
        key = shown.args.get("session_key")
        match shown.method:
            case "send_exec_approval":
                return bool(_module("tools.approval").has_blocking_approval(key))
            case "send_clarify":
                return shown.args.get("clarify_id") in _module("tools.clarify_gateway")._entries
            case "send_slash_confirm":
                pending = _module("tools.slash_confirm").get_pending(key)
                return (
                    pending is not None
                    and pending.get("confirm_id") == shown.args.get("confirm_id")
                    and not confirm_expired(pending)
                )
            case _:
                return time.monotonic() - shown.since < PICKER_SECONDS

    async def resolve(self, message: msg.Resolve) -> msg.Resolved:
        """Do what a click does and say what the person is to be shown."""
        shown = self._shown.get(message.call)
        if shown is None:
            return msg.Resolved(id=message.id)
        if not message.typed:
            self.forget(message.call)
        try:
            value = await self._act(shown, message)
        except Exception as error:
            logger.exception("an answer to %s failed", shown.method)
            return msg.Resolved(id=message.id, error=str(error) or repr(error))
        # Hermes may answer with a kind of text of its own, which is none to the encoder.
        return msg.Resolved(id=message.id, value=str(value) if isinstance(value, str) else None)

    async def _act(self, shown: _Shown, message: msg.Resolve) -> Any:
        args, answer = shown.args, message.answer
        match shown.method:
            case "send_exec_approval":
                approval = _module("tools.approval")
                if approval.resolve_gateway_approval(args["session_key"], answer[0]):
                    self._adapter.resume_typing_for_chat(args["chat_id"])
            case "send_clarify":
                clarify = _module("tools.clarify_gateway")
                if message.typed:
                    clarify.mark_awaiting_text(args["clarify_id"])
                else:
                    clarify.resolve_gateway_clarify(args["clarify_id"], answer[0])
            case "send_slash_confirm":
                resolve = _module("tools.slash_confirm").resolve
                return await resolve(args["session_key"], args["confirm_id"], answer[0])
            case _ if answer:
                return await shown.callback(args["chat_id"], *answer)
        return None


def confirm_pending() -> bool:
    """Say whether a slash command waits to be confirmed, by a button or by a typed word."""
    pending = getattr(_module("tools.slash_confirm"), "_pending", {})
    return any(not confirm_expired(entry) for entry in list(pending.values()))


def confirm_expired(entry: dict[str, Any]) -> bool:
    """Say whether Hermes would not act on this confirmation any more."""
    limit = getattr(_module("tools.slash_confirm"), "DEFAULT_TIMEOUT_SECONDS", 300)
    return time.time() - float(entry.get("created_at") or 0) > limit


def _module(name: str) -> Any:
    return importlib.import_module(name)
