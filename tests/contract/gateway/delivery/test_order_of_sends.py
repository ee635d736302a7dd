"""What is sent in one conversation while its bot is away keeps its order."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

#: Each send waits for the adapter. The one that waits the shortest would find it first.
_PLAY = """
from hermes_router.hermes.compat.seams import sending
from hermes_router.relay.attachments import Spool

class Bot(Adapter):
    platform = Platform("telegram")
    async def send(self, chat_id, content, metadata=None):
        self.sent.append(content)
        return SimpleNamespace(success=True, retryable=False, message_id="8")

async def play(router, _adapter, say, home):
    adapter, waits = Bot(), []
    router._runner.adapters, router._runner._running = {Platform("telegram"): adapter}, True

    async def connected(*_names, since):
        waits.append(asyncio.Event())
        await waits[-1].wait()
        return adapter

    sending.connected_adapter = connected

    async def serve(event, conversation, track, **more):
        texts = ("first", "second", "third")
        args = [{"chat_id": "-100", "content": text} for text in texts]
        sends = [
            asyncio.create_task(conversation.execute("send", one, Spool(limit=0), print))
            for one in args
        ]
        while not all(send.done() for send in sends):
            await asyncio.sleep(0.05)
            for free in reversed(waits):
                free.set()
        track.told = True

    router._handler._serve = serve
    await say("hello")
    return {"sent": adapter.sent}
"""


def test_sends_that_wait_for_their_bot_keep_their_order(tmp_path: Path) -> None:
    assert play(_PLAY, tmp_path)["sent"] == ["first", "second", "third"]
