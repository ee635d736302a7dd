"""A worker that says what a test puts into it, in place of a process and its pipe."""

from __future__ import annotations

import asyncio
from typing import cast

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames


class ScriptedWorker:
    """Plays a worker: it gives out the messages that a test puts in with `says`.

    None among them is the worker's end. `told` has what was sent to the worker.
    """

    frame_bytes = 100

    def __init__(self) -> None:
        self._says: asyncio.Queue[msg.FromWorker | None] = asyncio.Queue()
        self.told: list[msg.Result] = []

    def says(self, *messages: msg.FromWorker | None) -> None:
        for message in messages:
            self._says.put_nowait(message)

    async def receive(self) -> msg.FromWorker:
        message = await self._says.get()
        if message is None:
            raise EndOfFrames
        return message

    async def send(self, message: msg.Message) -> None:
        self.told.append(cast("msg.Result", message))
