"""What the gateway hears of a call that nobody in the worker waits for any more."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import anyio
import pytest

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import FrameReader
from hermes_router_worker.process.connection import Connection


class Ends:
    """A connection, and what comes out of it."""

    def __init__(self, closing: contextlib.ExitStack) -> None:
        inbound, far_out = os.pipe()
        far_in, outbound = os.pipe()
        closing.callback(os.close, far_out)
        self.link = Connection(inbound, outbound)
        closing.callback(self.link.close)
        self._reader = FrameReader(far_in)
        closing.callback(self._reader.close)

    async def next(self) -> msg.FromWorker:
        with anyio.fail_after(20):
            return msg.decode_from_worker(await self._reader.receive())

    async def give_up(self, method: str) -> int:
        """Make a call and cancel it when it is on its way; return its number."""
        calling = asyncio.create_task(self.link.call(method, {}))
        call = await self.next()
        assert isinstance(call, msg.Call)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        return call.id


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    with contextlib.ExitStack() as closing:
        yield Ends(closing)


async def test_a_text_that_is_given_up_is_cancelled_in_the_gateway(ends: Ends) -> None:
    number = await ends.give_up("send")
    assert await ends.next() == msg.Cancel(call=number)


async def test_other_calls_go_on(ends: Ends) -> None:
    await ends.give_up("edit_message")
    await ends.link.send(msg.Heartbeat())
    assert await ends.next() == msg.Heartbeat()


async def test_a_worker_that_leaves_gives_up_nothing(ends: Ends) -> None:
    ends.link.leaving = True
    await ends.give_up("send")
    await ends.link.send(msg.Heartbeat())
    assert await ends.next() == msg.Heartbeat()
