"""An edit to the text that a message shows already never counts as failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.relay.attachments import Spool
from hermes_router.relay.relay import Relay, RelayTarget


class BasePlatformAdapter:
    """Stands for Hermes's: what has this name is not the adapter's own."""


class Platform(BasePlatformAdapter):
    """Shows texts, until it ``refuses``."""

    platform = None

    def __init__(self) -> None:
        self.refuses = False
        self.edits: list[str] = []

    async def send(self, chat_id: str, content: str, metadata: Any = None) -> Any:
        return SimpleNamespace(success=True, message_id="1")

    async def edit_message(
        self, chat_id: str, message_id: str, content: str, *, finalize: bool = False
    ) -> Any:
        self.edits.append(content)
        return SimpleNamespace(success=not self.refuses, message_id=message_id)

    async def delete_message(self, chat_id: str, message_id: str) -> bool:
        return True


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def relay(platform: Platform) -> Relay:
    return Relay(platform, RelayTarget("career", "5", None, frozenset()))


async def send(relay: Relay, text: str) -> None:
    await relay.execute("send", {"chat_id": "5", "content": text}, Spool(limit=0))


async def edit(relay: Relay, text: str, *, last: bool = False) -> bool:
    call = {"chat_id": "5", "message_id": "1", "content": text, "finalize": last}
    return bool((await relay.execute("edit_message", call, Spool(limit=0)))["success"])


async def test_an_edit_that_fails_is_done_where_the_message_shows_its_text(
    relay: Relay, platform: Platform
) -> None:
    await send(relay, "begun")
    assert await edit(relay, "whole")
    platform.refuses = True
    assert await edit(relay, "whole", last=True)
    assert platform.edits == ["whole", "whole"]


async def test_an_edit_that_fails_is_failed_where_the_message_shows_another_text(
    relay: Relay, platform: Platform
) -> None:
    await send(relay, "begun")
    platform.refuses = True
    assert not await edit(relay, "whole", last=True)
    platform.refuses = False
    assert await edit(relay, "whole", last=True)


async def test_the_last_edit_is_not_made_a_second_time(relay: Relay, platform: Platform) -> None:
    await send(relay, "begun")
    assert await edit(relay, "whole", last=True)
    assert await edit(relay, "whole", last=True)
    assert platform.edits == ["whole"]
    assert await edit(relay, "whole and more", last=True)
    assert platform.edits == ["whole", "whole and more"]


async def test_a_deleted_message_shows_nothing(relay: Relay, platform: Platform) -> None:
    await send(relay, "begun")
    assert await edit(relay, "whole", last=True)
    call = {"chat_id": "5", "message_id": "1"}
    await relay.execute("delete_message", call, Spool(limit=0))
    platform.refuses = True
    assert not await edit(relay, "whole", last=True)
