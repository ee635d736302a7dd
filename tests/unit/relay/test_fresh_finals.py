"""The last edit of an answer becomes a new message where the adapter prefers that for its text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.relay.attachments import Spool
from hermes_router.relay.relay import Relay, RelayTarget

TABLE = "| a | b |"


class BasePlatformAdapter:
    """Stands for Hermes's: what has this name is not the adapter's own."""


class Platform(BasePlatformAdapter):
    """Sends texts with a table afresh, as Telegram's adapter does in private topics."""

    platform = None

    def __init__(self) -> None:
        self.shown: dict[str, str] = {"1": "preview"}
        self.sends = True
        self.metadata: Any = None

    def prefers_fresh_final_streaming(self, content: str, metadata: Any = None) -> bool:
        self.metadata = metadata
        return "|" in content

    async def send(self, chat_id: str, content: str, metadata: Any = None) -> Any:
        number = str(len(self.shown) + 1)
        if self.sends:
            self.shown[number] = content
        return SimpleNamespace(success=self.sends, message_id=number if self.sends else None)

    async def edit_message(
        self, chat_id: str, message_id: str, content: str, *, finalize: bool = False
    ) -> Any:
        self.shown[message_id] = content
        return SimpleNamespace(success=True, message_id=message_id)

    async def delete_message(self, chat_id: str, message_id: str) -> bool:
        return self.shown.pop(message_id, None) is not None


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def relay(platform: Platform) -> Relay:
    target = RelayTarget("career", "5", "6", frozenset())
    target.messages.add(["1"])
    return Relay(platform, target)


async def edit(relay: Relay, content: str, *, finalize: bool = True) -> Any:
    arguments = {"chat_id": "5", "message_id": "1", "content": content, "finalize": finalize}
    return await relay.execute("edit_message", arguments, Spool(limit=0))


async def test_a_final_text_that_the_adapter_prefers_fresh_replaces_its_preview(
    relay: Relay, platform: Platform
) -> None:
    assert (await edit(relay, TABLE))["message_id"] == "2"
    assert platform.shown == {"2": TABLE}


async def test_what_the_worker_does_with_the_preview_later_meets_the_fresh_message(
    relay: Relay, platform: Platform
) -> None:
    await edit(relay, TABLE)
    await edit(relay, f"{TABLE} more")
    assert platform.shown == {"2": f"{TABLE} more"}
    await relay.execute("delete_message", {"chat_id": "5", "message_id": "1"}, Spool(limit=0))
    assert platform.shown == {}


@pytest.mark.parametrize(("content", "finalize"), [("plain", True), (TABLE, False)])
async def test_any_other_edit_stays_in_its_place(
    relay: Relay, platform: Platform, content: str, *, finalize: bool
) -> None:
    await edit(relay, content, finalize=finalize)
    assert platform.shown == {"1": content}


async def test_a_text_that_cannot_be_sent_afresh_is_edited(
    relay: Relay, platform: Platform
) -> None:
    platform.sends = False
    await edit(relay, TABLE)
    assert platform.shown == {"1": TABLE}
