"""The prompts that this worker showed and that still wait for a person.

The gateway names a prompt by the number of the call that showed it. This module remembers the
call's arguments, and does what a click on the prompt does. Hermes's adapters do the same where
prompt and click are in one process.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import PICKER_FIELDS, Method
from hermes_router_worker.hermes.session import questions

logger = logging.getLogger(__name__)

#: Seconds for which a picker can be used. Hermes sets no limit, but a worker must end some day.
PICKER_SECONDS = 300.0


@dataclass(slots=True)
class _Shown:
    method: str
    args: dict[str, Any]
    callback: Any = None
    since: float = field(default_factory=time.monotonic)


def crossing(method: Method, named: dict[str, Any]) -> dict[str, Any]:
    """Return a prompt's arguments as the pipe adapter sends them to the gateway.

    A callback becomes True, and the entries of a picker keep only the fields that adapters know.
    ``named`` stays as it is.
    """
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
    """Remembers the prompts that this worker showed, by the number of the call that showed each.

    ``adapter`` is the pipe adapter that has this object. The prompts are in memory only: a click
    that comes after the worker's end is not carried out.
    """

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._shown: dict[int, _Shown] = {}

    def remember(self, number: int, method: Method, named: dict[str, Any]) -> None:
        """Remember a prompt that the adapter is about to show, so that a click can be carried out.

        ``number`` is the number of the call that shows it, ``named`` are the call's arguments. A
        click may come before the call returns.
        """
        callbacks = [name for name, how in method.rewrites.items() if how == "callback"]
        callback = named.get(callbacks[0]) if callbacks else None
        self._shown[number] = _Shown(method.name, named, callback)

    def forget(self, number: int) -> None:
        """Forget a prompt that is answered or was not shown; ignore an unknown number."""
        self._shown.pop(number, None)

    def picker_open(self) -> bool:
        """Return True while a person may still click on a picker of this worker.

        The picker's callback lives in this process. A picker can be used for
        :data:`PICKER_SECONDS`.
        """
        return any(
            shown.callback is not None and self._waited_for(shown) for shown in self._shown.values()
        )

    def take_closed(self) -> list[int]:
        """Forget the prompts that Hermes waits for no more; return the numbers of their calls.

        The session asks again and again, and tells the gateway, which then removes their buttons.
        """
        closed = [number for number, shown in self._shown.items() if not self._waited_for(shown)]
        for number in closed:
            del self._shown[number]
        return closed

    def _waited_for(self, shown: _Shown) -> bool:
        key = shown.args.get("session_key")
        match shown.method:
            case "send_exec_approval":
                return questions.approval_open(key)
            case "send_clarify":
                return questions.question_open(shown.args.get("clarify_id"))
            case "send_slash_confirm":
                pending = questions.confirmation_of(key)
                return (
                    pending is not None
                    and pending.get("confirm_id") == shown.args.get("confirm_id")
                    and not questions.confirm_expired(pending)
                )
            case _:
                return time.monotonic() - shown.since < PICKER_SECONDS

    async def resolve(self, message: msg.Resolve) -> msg.Resolved:
        """Do what a person's click on a prompt does; return the answer for the gateway.

        The answer has a text for the person, or an error, or neither. It has neither if the prompt
        is forgotten, and nothing is done then. With ``typed``, Hermes waits for a text of the
        person instead.
        """
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
        # Hermes may answer with its own subclass of str, which the encoder refuses.
        return msg.Resolved(id=message.id, value=str(value) if isinstance(value, str) else None)

    async def _act(self, shown: _Shown, message: msg.Resolve) -> Any:
        args, answer = shown.args, message.answer
        match shown.method:
            case "send_exec_approval":
                if questions.approve(args["session_key"], answer[0]):
                    self._adapter.resume_typing_for_chat(args["chat_id"])
            case "send_clarify":
                if message.typed:
                    questions.await_typed(args["clarify_id"])
                else:
                    questions.answer(args["clarify_id"], answer[0])
            case "send_slash_confirm":
                return await questions.confirm(args["session_key"], args["confirm_id"], answer[0])
            case _ if answer:
                return await shown.callback(args["chat_id"], *answer)
        return None
