"""Notices that could not be sent: when they are owed no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from hermes_router.hermes import owed_notices
from hermes_router.hermes.compat.seams import gateway_runner, sending
from hermes_router.hermes.compat.seams.sending import Sent

EVENT = SimpleNamespace(source=None)


async def owed_after(
    monkeypatch: pytest.MonkeyPatch, later: Sent | Exception, *, stops: bool = False
) -> bool:
    """Return whether a notice is owed whose second attempt has this result, or raises this."""

    async def now(*_args: Any, **_more: Any) -> Sent:
        return Sent.LATER

    async def in_the_end(*_args: Any, **_more: Any) -> Sent:
        if isinstance(later, Exception):
            raise later
        return later

    monkeypatch.setattr(sending, "anchor_of", lambda *_args: None)
    monkeypatch.setattr(sending, "try_to_send", now)
    monkeypatch.setattr(sending, "send_in_the_end", in_the_end)
    monkeypatch.setattr(gateway_runner, "shutting_down", lambda _runner: stops)
    owed = await owed_notices.tell(None, EVENT, "a notice")
    assert owed is not None
    with anyio.fail_after(10):
        return not await owed


async def test_a_notice_whose_adapter_raises_is_owed_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not await owed_after(monkeypatch, RuntimeError("the adapter is broken"))


async def test_a_notice_that_arrives_while_the_gateway_stops_is_owed_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not await owed_after(monkeypatch, Sent.YES, stops=True)


async def test_a_notice_that_the_gateway_could_not_send_is_left_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await owed_after(monkeypatch, Sent.LATER, stops=True)
    assert not await owed_after(monkeypatch, Sent.LATER)
