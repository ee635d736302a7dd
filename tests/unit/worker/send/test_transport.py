"""Who may wait for a message to be sent: threads and coroutines, but not the pipe's own loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import FrameReader
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.send.transport import Gateway

HERE = msg.Place(platform="telegram", chat_id="-100", thread_id="6")


class FarEnd:
    """What the worker's pipe leads to."""

    def __init__(self) -> None:
        inbound, self._closing = os.pipe()
        self._incoming, outbound = os.pipe()
        self.link = Connection(inbound, outbound)
        os.set_blocking(self._incoming, False)
        self._reader = FrameReader(os.dup(self._incoming))

    def is_empty(self) -> bool:
        """Say that nothing has come."""
        try:
            return not os.read(self._incoming, 1)
        except BlockingIOError:
            return True

    async def receive(self) -> msg.Deliver:
        """Take in one message."""
        message = msg.decode_from_worker(await self._reader.receive())
        assert isinstance(message, msg.Deliver)
        return message

    async def answer(self) -> msg.Deliver:
        """Take in one message and say that it was sent."""
        message = await self.receive()
        self.link.answer(msg.Result(call=message.id, value={"success": True}))
        return message

    def close(self) -> None:
        self.link.close()
        self._reader.close()
        os.close(self._closing)
        os.close(self._incoming)


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    made = FarEnd()
    yield made
    made.close()


def deliver(gateway: Gateway, text: str) -> dict[str, Any]:
    """Send from a thread without a loop, as Hermes's synchronous callers do."""
    return asyncio.run(gateway.deliver(HERE, text, files=(), as_documents=False))


async def test_a_thread_and_a_coroutine_send(far_end: FarEnd) -> None:
    gateway = Gateway(far_end.link, asyncio.get_running_loop())
    for sending in (
        asyncio.to_thread(deliver, gateway, "hello"),
        gateway.deliver(HERE, "hello", files=(), as_documents=False),
    ):
        task = asyncio.ensure_future(sending)
        message = await asyncio.wait_for(far_end.answer(), 20)
        assert (message.text, message.chat_id, message.thread_id) == ("hello", "-100", "6")
        assert await task == {"success": True}


async def test_who_blocks_the_pipes_loop_is_told_so_and_nothing_is_sent_later(
    far_end: FarEnd,
) -> None:
    gateway = Gateway(far_end.link, asyncio.get_running_loop(), patience=0.2)
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(deliver, gateway, "never")  # as a synchronous tool on the loop does
        answer = blocked.result(60)
    assert "the worker's event loop is blocked; send from a thread" in answer["error"]
    for _ in range(5):
        await asyncio.sleep(0)  # what was handed to the loop has its turn
    assert far_end.is_empty()


async def test_who_sends_when_the_gateway_is_gone_is_told_so(far_end: FarEnd) -> None:
    gateway = Gateway(far_end.link, asyncio.get_running_loop())
    task = asyncio.ensure_future(gateway.deliver(HERE, "late", files=(), as_documents=False))
    await far_end.receive()
    far_end.link.close()
    assert "the gateway has ended" in (await task)["error"]
