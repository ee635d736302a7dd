"""Follow the answers that are being sent for workers, of all turns together.

A worker that dies while its answer is on its way cannot note that it arrived. The next worker of
the profile may have begun by then. It finds the answer unsent in Hermes's ledger of replies, and
asks for it to be sent again.
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

#: Seconds after which a worker that begins is told at its start what has arrived.
_KNOWN_SECONDS = 30.0

#: The longest wait for an answer that is on its way; its worker's successor may be killed before.
_PATIENCE = 60.0


@dataclass(slots=True)
class Send:
    """One answer that is being sent; its sender sets ``arrived``."""

    name: str
    arrived: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    ended: float = 0.0


class Sends:
    """The newest answers that were sent for workers.

    ``mark`` is what Hermes writes before an answer that may arrive a second time; with an empty one
    nothing is known again.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._sends: deque[Send] = deque(maxlen=_REMEMBERED)

    @contextmanager
    def follow(self, name: str) -> Iterator[Send]:
        """Follow the sending of an answer in the block; ``name`` is its :func:`name_of`.

        What has no name is not remembered: it is no answer.
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
        """Return whether this repetition of an answer is not needed, because that has arrived.

        If the answer is on its way, this waits for the result.
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
