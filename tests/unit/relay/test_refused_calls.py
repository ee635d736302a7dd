"""The relay counts the calls that it refuses, for each profile."""

from __future__ import annotations

import pytest

from hermes_router.base.errors import RelayRefused
from hermes_router.relay.attachments import Spool
from hermes_router.relay.relay import Relay, RelayTarget, refused_calls


class BasePlatformAdapter:
    """Stands for Hermes's: what has this name is not the adapter's own."""


class Adapter(BasePlatformAdapter):
    async def send(self, chat_id: str, content: str, metadata: object = None) -> None:
        if content == "fail":
            raise OSError("the platform is gone")


async def test_refused_calls_are_counted_and_others_are_not() -> None:
    refused_calls.clear()
    relay = Relay(Adapter(), RelayTarget("career", "-100", None, frozenset()))
    await relay.execute("send", {"chat_id": "-100", "content": "hello"}, Spool(limit=0))
    with pytest.raises(OSError, match="gone"):
        await relay.execute("send", {"chat_id": "-100", "content": "fail"}, Spool(limit=0))
    assert refused_calls == {}
    for call in ({"chat_id": "-200", "content": "hello"}, {"chat_id": "-100", "nonsense": 1}):
        with pytest.raises(RelayRefused):
            await relay.execute("send", call, Spool(limit=0))
    with pytest.raises(RelayRefused):
        await relay.execute("disconnect", {}, Spool(limit=0))
    assert refused_calls == {"career": 3}
    refused_calls.clear()
