"""What the relay makes of a worker's call before the real adapter sees it."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from hermes_router.base.errors import RelayRefused
from hermes_router.relay.attachments import Spool
from hermes_router.relay.relay import Relay, RelayTarget, not_connected


class BasePlatformAdapter:
    """Stands for Hermes's: what has this name is not the adapter's own."""


class Adapter(BasePlatformAdapter):
    async def send_clarify(
        self, chat_id: str, question: str, choices: list[str] | None, metadata: Any = None
    ) -> None:
        raise AssertionError("only a prompt's owner calls this")


async def test_what_is_none_is_named_where_the_adapter_demands_it(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def ask(_adapter: object, _method: object, arguments: dict[str, Any]) -> None:
        asked.append(arguments)

    target = RelayTarget("career", "-100", "6", frozenset())
    await Relay(Adapter(), target).execute(
        "send_clarify", {"chat_id": "-100", "question": "Which?"}, Spool(limit=0), ask
    )
    [arguments] = asked
    assert arguments == {
        "chat_id": "-100",
        "question": "Which?",
        "choices": None,
        "metadata": {"thread_id": "6"},
    }


class Threads(BasePlatformAdapter):
    """An adapter that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def send(self, chat_id: str, content: str, metadata: Any = None) -> None:
        self.asked.append(metadata)

    async def create_handoff_thread(self, parent_chat_id: str, name: str) -> str:
        self.asked.append((parent_chat_id, name))
        return "7"


@pytest.mark.parametrize(
    "key",
    ["thread_id", "message_thread_id", "thread_ts", "thread_name", "root_id"],
)
async def test_a_thread_that_is_none_is_the_conversations_own(key: str) -> None:
    adapter, target = Threads(), RelayTarget("career", "-100", "6", frozenset())
    call = {"chat_id": "-100", "content": "hello", "metadata": {key: None}}
    await Relay(adapter, target).execute("send", call, Spool(limit=0))
    assert adapter.asked == [{"thread_id": "6"}]


async def test_a_thread_is_opened_only_where_the_routes_give_it_to_the_profile() -> None:
    adapter, target = Threads(), RelayTarget("career", "-100", "6", frozenset())
    call = {"parent_chat_id": "-100", "name": "for everybody to read"}
    with pytest.raises(RelayRefused, match="may open no thread"):
        await Relay(adapter, target).execute("create_handoff_thread", call, Spool(limit=0))
    assert adapter.asked == []
    target.may_open = lambda: True
    opened = await Relay(adapter, target).execute("create_handoff_thread", call, Spool(limit=0))
    assert (opened, adapter.asked) == ("7", [("-100", "for everybody to read")])


class Platform(Enum):
    WEIXIN = "weixin"
    TELEGRAM = "telegram"


class Opening(BasePlatformAdapter):
    """An adapter that looks for files in a text, with Hermes's functions in short."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.sent: list[str] = []

    def extract_media(self, text: str) -> tuple[list[str], str]:
        return re.findall(r"MEDIA:(\S+)", text), re.sub(r"MEDIA:\S+", "", text)

    def extract_images(self, text: str) -> tuple[list[str], str]:
        return [], text.replace("![]()", "")

    def extract_local_files(self, text: str) -> tuple[list[str], str]:
        return re.findall(r"/\S+\.pdf", text), text

    async def send(self, chat_id: str, content: str, metadata: Any = None) -> None:
        self.sent.append(content)


@pytest.mark.parametrize("text", ["MEDIA:/root/.env", "see /etc/x.pdf", "see /et![]()c/x.pdf"])
async def test_a_text_may_not_name_a_file_where_the_adapter_would_open_it(
    tmp_path: Path, text: str
) -> None:
    target = RelayTarget("career", "-100", None, frozenset())
    weixin, telegram = Opening(Platform.WEIXIN), Opening(Platform.TELEGRAM)
    call = {"chat_id": "-100", "content": text}
    with pytest.raises(RelayRefused, match="may not name a file"):
        await Relay(weixin, target).execute("send", call, Spool(limit=0))
    await Relay(telegram, target).execute("send", call, Spool(limit=0))
    await Relay(weixin, target).execute("send", call | {"content": "plain"}, Spool(limit=0))
    assert (weixin.sent, telegram.sent) == (["plain"], [text])


def test_a_send_without_an_adapter_has_failed_as_hermes_knows_it() -> None:
    assert not_connected("send", "telegram", retry=False) == {
        "success": False,
        "error": "Not connected",
        "retryable": False,
    }
    assert not_connected("send_document", "telegram", retry=True)["retryable"] is True


def test_a_call_whose_result_cannot_say_so_raises_that_no_adapter_is_connected() -> None:
    with pytest.raises(ConnectionError, match="not connected to telegram"):
        not_connected("send_typing", "telegram", retry=True)
