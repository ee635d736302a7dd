"""Follow the answers that are being sent for workers, of all turns together.

A worker that dies while its answer is being sent cannot note that the answer arrived. The profile's
next worker finds it as unsent in Hermes's ledger of replies, and asks the gateway to send it again.
This module knows whether that is needed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import name_of

_REMEMBERED = 256

#: A worker that starts so many seconds after an answer is told at its start that it arrived.
_KNOWN_SECONDS = 30.0

#: Maximum seconds to wait for the result of an answer that is being sent.
_PATIENCE = 60.0


@dataclass(slots=True)
class Send:
    """One answer that is being sent. Its sender sets ``arrived`` to True if the platform took it.

    ``over`` is set when the sending has ended, ``ended`` is when, in monotonic seconds. ``name`` is
    a hash of place and text.
    """

    name: str
    arrived: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    ended: float = 0.0


class Sends:
    """The newest answers that were sent for workers, at most 256, for all turns of a gateway.

    ``mark`` is what Hermes writes before an answer that may arrive a second time. With an empty
    mark no repetition can be recognised, so :meth:`arrived` always returns False.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._sends: deque[Send] = deque(maxlen=_REMEMBERED)

    @contextmanager
    def follow(self, name: str) -> Iterator[Send]:
        """Remember that an answer is sent in the block, which sets ``arrived`` of the object.

        ``name`` is what :func:`name_of` returns for it. A call that sends no answer has the name ""
        and is not remembered.
        """
        send = Send(name)
        if name:
            self._sends.append(send)
        try:
            yield send
        finally:
            send.ended = time.monotonic()
            send.over.set()

    async def arrived(self, message: msg.Deliver) -> bool:
        """Return True if a worker repeats an answer that has arrived already: it is not sent again.

        If that answer is still being sent, this waits for the result, at most 60 s. An answer whose
        sending ended more than 30 s ago does not count.
        """
        text = message.text.removeprefix(self._mark)
        if not self._mark or text == message.text:
            return False
        name = name_of(message.platform, message.chat_id, message.thread_id or None, text)
        send = next((one for one in reversed(self._sends) if one.name == name), None)
        if send is None or 0 < send.ended < time.monotonic() - _KNOWN_SECONDS:
            return False
        with anyio.move_on_after(_PATIENCE):
            await send.over.wait()
        return send.arrived
