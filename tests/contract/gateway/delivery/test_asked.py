"""When does the real Telegram adapter ask for an answer to be sent, and when was it refused?"""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from hermes_router.hermes.compat.adapters import asked
from hermes_router.relay import attempts
from tests.kit import FORUM, TOKEN, FakeTelegram

#: Seconds that the client waits for an answer of the platform.
PATIENCE = 1.0


class Noted:
    """What the sending of an answer came to, each with its moment."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def asks(self) -> None:
        self.steps.append(("asks", time.monotonic()))

    def refused(self) -> None:
        self.steps.append(("refused", time.monotonic()))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.steps]


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as fake:
        yield fake


@pytest.fixture
async def adapter(telegram: FakeTelegram) -> AsyncIterator[Any]:
    """Return the real adapter with a real client, which asks our platform."""
    config = importlib.import_module("gateway.config")
    module = importlib.import_module("plugins.platforms.telegram.adapter")
    made = module.TelegramAdapter(config.PlatformConfig(enabled=True, token=TOKEN))
    request = importlib.import_module("telegram.request").HTTPXRequest(read_timeout=PATIENCE)
    client = importlib.import_module("telegram").Bot
    async with client(TOKEN, telegram.base_url, request=request) as bot:
        made._bot = bot
        asked.take_over(made)
        yield made


async def test_an_answer_is_asked_for_when_the_platform_hears_of_it(
    adapter: Any, telegram: FakeTelegram
) -> None:
    noted = Noted()
    await adapter.send(str(FORUM), "a notice before it")
    with attempts.followed_by(noted):
        assert (await adapter.send(str(FORUM), "the answer")).success
        await adapter.send_typing(str(FORUM))
    heard = telegram.calls("sendMessage", "sendRichMessage")[-1]
    assert noted.names == ["asks"]
    assert abs(noted.steps[0][1] - heard.at) < 0.5  # not when the adapter began to wait


@pytest.mark.parametrize("code", [429, 500])
async def test_a_refused_answer_has_not_arrived_until_the_adapter_asks_again(
    adapter: Any, telegram: FakeTelegram, code: int
) -> None:
    noted = Noted()
    for method in ("sendMessage", "sendRichMessage"):
        telegram.fail_next(method, code)
    with attempts.followed_by(noted):
        assert (await adapter.send(str(FORUM), "the answer")).success
    assert noted.names[:2] == ["asks", "refused"]
    assert noted.names[-1] == "asks"


async def test_an_answer_may_have_arrived_if_the_platform_does_not_say(
    adapter: Any, telegram: FakeTelegram
) -> None:
    noted = Noted()
    for method in ("sendMessage", "sendRichMessage"):
        telegram.set_answer_latency(method, 2 * PATIENCE)
    with attempts.followed_by(noted):
        assert not (await adapter.send(str(FORUM), "the answer")).success
    assert "asks" in noted.names
    assert "refused" not in noted.names


async def test_an_answer_that_waits_for_a_connection_is_not_asked_for(
    adapter: Any, telegram: FakeTelegram
) -> None:
    client = importlib.import_module("httpx").AsyncClient
    noted, entered, go_on = Noted(), anyio.Event(), anyio.Event()

    async def wait(_request: Any) -> None:
        entered.set()
        await go_on.wait()

    for request in adapter._bot._request:
        assert isinstance(request._client, client)
        asked._reports_sending(request._client)
        request._client.event_hooks["request"].append(wait)
    with anyio.fail_after(30), attempts.followed_by(noted):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapter.send, str(FORUM), "the answer")
            await entered.wait()
            assert noted.names == []
            go_on.set()
    assert noted.names == ["asks"]
