"""A notice that meets a limit of its platform waits as long as the platform asks, and is sent."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from gateway.platforms.base import SendResult

from hermes_router.hermes import owed_notices
from hermes_router.hermes.compat.seams import gateway_runner, sending
from hermes_router.hermes.compat.seams.sending import Sent

pytestmark = pytest.mark.timeout(30)

SOURCE: Any = SimpleNamespace(platform="telegram", chat_id="-100", profile=None)
EVENT = SimpleNamespace(source=SOURCE)


class Limited:
    """Refuses what comes within ``seconds`` as Telegram's adapter does, and sends the rest."""

    def __init__(self, seconds: float, *, retryable: bool = False) -> None:
        self.until = time.monotonic() + seconds
        self.retryable = retryable
        self.sent: list[str] = []
        self.refused = 0

    async def send(self, _chat_id: str, text: str, metadata: object = None) -> SendResult:
        del metadata
        left = self.until - time.monotonic()
        if left <= 0:
            self.sent.append(text)
            return SendResult(success=True)
        self.refused += 1
        error = f"flood_control:{left}"
        return SendResult(success=False, error=error, retryable=self.retryable, retry_after=left)


class Runner:
    """As much of Hermes's gateway as sends by one adapter."""

    def __init__(self, adapter: Limited) -> None:
        self._running, self._draining = True, False
        self.adapters = {"telegram": adapter}

    def _thread_metadata_for_source(self, _source: object, _anchor: object) -> None:
        return None

    def _reply_anchor_for_event(self, _event: object) -> None:
        return None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "own_bot", lambda _source: None)
    monkeypatch.setattr(gateway_runner, "shutting_down", lambda runner: runner._draining)
    monkeypatch.setattr(sending, "RETRY_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(sending, "_LONG_TICK", 0.01)


@pytest.mark.parametrize("retryable", [False, True])
async def test_a_short_limit_is_waited_for_at_once(*, retryable: bool) -> None:
    adapter = Limited(0.3, retryable=retryable)
    assert await sending.try_to_send(Runner(adapter), SOURCE, "a notice") is Sent.YES
    assert (adapter.sent, adapter.refused) == (["a notice"], 1)


async def test_a_long_limit_owes_the_notice_and_is_not_asked_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(sending, "_PAUSE_SECONDS", 0.01)
    adapter = Limited(0.5)
    owed = await owed_notices.tell(Runner(adapter), EVENT, "a notice")
    assert owed is not None, "the notice is lost"
    assert await owed
    assert adapter.sent == ["a notice"]
    assert adapter.refused == 2, "one by the first attempt, one by the first that is owed"


async def test_a_new_adapter_does_not_end_the_wait_that_the_platform_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.1)
    runner = Runner(old := Limited(3.0))
    owed = await owed_notices.tell(runner, EVENT, "a notice")
    assert owed is not None
    await anyio.sleep(0.2)
    runner.adapters["telegram"] = new = Limited(0)
    new.until = old.until
    assert await owed
    assert (new.sent, new.refused) == (["a notice"], 0)


async def test_a_gateway_that_stops_waits_for_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.1)
    runner = Runner(adapter := Limited(3600))
    owed = await owed_notices.tell(runner, EVENT, "a notice")
    assert owed is not None
    runner._draining = True
    assert not await owed
    assert adapter.sent == []


async def test_a_refusal_for_good_is_not_repeated() -> None:
    adapter = Limited(3600)

    async def refuse(*_args: object, **_more: object) -> SendResult:
        adapter.refused += 1
        return SendResult(success=False, error="Forbidden: bot was kicked")

    adapter.send = refuse  # type: ignore[method-assign]
    assert await sending.try_to_send(Runner(adapter), SOURCE, "a notice") is Sent.NO
    assert adapter.refused == 1
