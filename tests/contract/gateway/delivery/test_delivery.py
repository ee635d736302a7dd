"""Sending for workers by an adapter, with Hermes's own functions and made-up adapters."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import Platform
from gateway.platforms.base import BasePlatformAdapter, SendResult

from hermes_router.config.model import RouterConfig
from hermes_router.hermes.compat.seams import sending
from hermes_router.hermes.delivery import GatewayDelivery
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.routing.table import Place, Route, RouteTable
from hermes_router.state.delivered import DeliveredTexts
from hermes_router.state.known_conversations import KnownConversations

SENDER = Sender(profile="career")
Call = tuple[str, dict[str, Any]]


class Plain(BasePlatformAdapter):
    """Sends short texts and nothing else."""

    MAX_MESSAGE_LENGTH = 100

    def __init__(self, platform: Platform = Platform.SMS) -> None:
        self.platform = platform
        self.calls: list[Call] = []
        self.failing: frozenset[str] = frozenset()

    async def connect(self, **_: Any) -> bool:
        return True

    async def disconnect(self) -> None: ...

    async def get_chat_info(self, chat_id: str) -> dict[str, Any]:
        return {"name": chat_id, "type": "dm"}

    async def send(self, chat_id: str, content: str, **_: Any) -> SendResult:
        return self._done("send", {"chat_id": chat_id, "content": content})

    def _done(self, name: str, arguments: dict[str, Any]) -> SendResult:
        self.calls.append((name, arguments))
        ok = name not in self.failing
        return SendResult(success=ok, message_id="7", error=None if ok else "no", retryable=False)


class Able(Plain):
    """Sends files too, and takes reactions."""

    async def send_document(self, chat_id: str, file_path: str, **more: Any) -> SendResult:
        content = Path(file_path).read_bytes()  # noqa: ASYNC240 - a few bytes
        return self._done("send_document", {"content": content, "caption": more.get("caption")})

    async def send_image_file(self, chat_id: str, image_path: str, **_: Any) -> SendResult:
        return self._done("send_image_file", {"name": Path(image_path).name})

    async def send_voice(self, chat_id: str, audio_path: str, **_: Any) -> SendResult:
        return self._done("send_voice", {"name": Path(audio_path).name})

    async def add_reaction(self, chat_id: str, emoji: str, message_id: str | None) -> bool:
        self.calls.append(("add_reaction", {"emoji": emoji, "message_id": message_id}))
        return True


@pytest.fixture
def delivery(tmp_path: Path) -> Callable[[Plain], GatewayDelivery]:
    table = RouteTable.build([Route(platform="sms", chat_id="5", profile="career")])

    async def config() -> RouterConfig:
        return RouterConfig(path=tmp_path / "config.yaml", table=table)

    def build(adapter: Plain) -> GatewayDelivery:
        runner = SimpleNamespace(adapters={adapter.platform: adapter})
        seen, settled = KnownConversations(tmp_path / "seen"), DeliveredTexts(tmp_path / "settled")
        return GatewayDelivery(runner, seen, settled, config)

    return build


def parcel(spool: Spool, text: str, *names: str, **options: Any) -> msg.Deliver:
    files = []
    for number, name in enumerate(names):
        spool.append(msg.Chunk(stream=number, data=name.encode()))
        files.append(msg.FileRef(stream=number, name=name, size=len(name)))
    return msg.Deliver(id=1, platform="sms", chat_id="5", text=text, files=files, **options)


async def carried(
    delivery: Callable[[Plain], GatewayDelivery],
    adapter: Plain,
    text: str,
    *names: str,
    **options: Any,
) -> dict[str, Any]:
    spool = Spool(limit=1000)
    try:
        return await delivery(adapter).carry(SENDER, parcel(spool, text, *names, **options), spool)
    finally:
        spool.close()


async def test_a_text_is_split_for_an_adapter_that_does_not(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Plain()
    words = " ".join(f"w{number}" for number in range(60))
    answer = await carried(delivery, adapter, words)
    texts = [arguments["content"] for _, arguments in adapter.calls]
    assert answer["success"]
    assert len(texts) > 2
    assert all(len(text) <= adapter.MAX_MESSAGE_LENGTH for text in texts)
    assert {f"w{number}" for number in range(60)} <= set(" ".join(texts).split())


async def test_files_that_a_platform_cannot_take_are_named_and_the_text_is_sent(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Plain()
    answer = await carried(delivery, adapter, "look", "a.pdf", "b.png")
    assert adapter.calls == [("send", {"chat_id": "5", "content": "look"})]
    assert answer["warnings"] == ["sms cannot be sent a.pdf, b.png"]
    alone = await carried(delivery, adapter, "", "a.pdf")
    assert "cannot be sent a.pdf" in alone["error"]


async def test_each_file_goes_by_the_method_for_its_kind(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Able()
    names = ("a.pdf", "b.png", "c.mp3")
    await carried(delivery, adapter, "three", *names)
    sent = [name for name, _ in adapter.calls]
    assert sent == ["send", "send_document", "send_image_file", "send_voice"]
    adapter.calls.clear()
    await carried(delivery, adapter, "", "b.png", as_documents=True)
    assert adapter.calls == [("send_document", {"content": b"b.png", "caption": None})]


async def test_a_short_text_is_the_caption_of_its_one_file(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Able()
    await carried(delivery, adapter, "the report", "a.pdf")
    assert adapter.calls == [("send_document", {"content": b"a.pdf", "caption": "the report"})]


async def test_what_was_sent_before_a_failure_is_told(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Able()
    adapter.failing = frozenset({"send_document"})
    answer = await carried(delivery, adapter, "two", "a.pdf", "b.pdf")
    assert "sms:5" in answer["error"]
    assert "1 of its parts were sent before" in answer["error"]
    assert [name for name, _ in adapter.calls] == ["send", "send_document"]


async def test_a_reaction_that_names_no_message_means_the_newest(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Able()
    sender = delivery(adapter)
    sender.heard(Place("sms", chat_id="5"), "41")
    sender.heard(Place("sms", chat_id="6"), "42")
    reaction = msg.React(id=1, platform="sms", chat_id="5", emoji="👍")
    assert await sender.carry(SENDER, reaction, Spool(limit=0)) == {"success": True}
    assert adapter.calls == [("add_reaction", {"emoji": "👍", "message_id": "41"})]


async def test_an_adapter_without_reactions_says_so(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    reaction = msg.React(id=1, platform="sms", chat_id="5", emoji="👍")
    answer = await delivery(Plain()).carry(SENDER, reaction, Spool(limit=0))
    assert "does not support message reactions" in answer["error"]


async def test_a_platform_that_is_not_connected_is_an_error(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    answer = await carried(delivery, Plain(Platform.EMAIL), "hello")
    assert answer == {"error": "the gateway is not connected to sms"}


class Leaving(Plain):
    """Is disconnected by a gateway that stops while a text is on its way."""

    is_connected = True

    async def send(self, chat_id: str, content: str, **_: Any) -> SendResult:
        self.is_connected = False
        self._done("send", {"chat_id": chat_id, "content": content})
        return SendResult(success=False, error="not connected", retryable=True)


async def test_an_adapter_that_the_stop_of_the_gateway_disconnected_is_not_tried_again(
    delivery: Callable[[Plain], GatewayDelivery],
) -> None:
    adapter = Leaving()
    answer = await carried(delivery, adapter, "too late")
    assert "the gateway stops" in answer["error"]
    assert len(adapter.calls) == 1


class Limited(Plain):
    """Asks to be left alone for some seconds, once."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.times: list[float] = []

    async def send(self, chat_id: str, content: str, **_: Any) -> SendResult:
        self.times.append(time.monotonic())
        if len(self.times) > 1:
            return self._done("send", {"chat_id": chat_id, "content": content})
        error = "ratelimited"
        return SendResult(success=False, error=error, retryable=True, retry_after=self.seconds)


async def test_a_send_is_repeated_when_the_platform_allows_it_and_not_before(
    delivery: Callable[[Plain], GatewayDelivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "RETRY_SECONDS", (0.01, 0.01))
    adapter = Limited(0.3)
    assert (await carried(delivery, adapter, "hello"))["success"]
    assert adapter.times[1] - adapter.times[0] >= 0.3
    answer = await carried(delivery, Limited(3600), "hello")
    assert "ratelimited" in answer["error"], "a worker waits for an hour"
