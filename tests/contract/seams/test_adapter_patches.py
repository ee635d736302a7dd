"""The methods of real adapters that the router replaces; a Hermes that renames one is noticed."""

from __future__ import annotations

import importlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.compat.adapters.menu_lists import forget_forum, keep_forums
from hermes_router.hermes.compat.replacing.adapter_patches import (
    CLICK,
    COMMENT,
    OBSERVED_MEDIA,
    SHARED_SOURCE,
    STICKER,
    Replaced,
    method_of,
)

REPLACED = (CLICK, COMMENT, OBSERVED_MEDIA, SHARED_SOURCE, STICKER)
_CLASSES = {"telegram": "TelegramAdapter", "feishu": "FeishuAdapter"}


@pytest.fixture(scope="module")
def adapter() -> Any:
    """Return the real Telegram adapter of this Hermes."""
    return adapter_for("telegram")


def adapter_for(platform: str) -> Any:
    """Return this Hermes's real adapter for a platform."""
    config = importlib.import_module("gateway.config")
    module = importlib.import_module(f"plugins.platforms.{platform}.adapter")
    made = getattr(module, _CLASSES[platform])
    return made(config.PlatformConfig(enabled=True, token="1:x"))


@pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.name)
def test_the_adapter_has_what_is_replaced(
    replaced: Replaced, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = adapter_for(replaced.platform)
    assert callable(method_of(adapter, replaced))
    assert hasattr(adapter, replaced.sign)
    assert caplog.messages == []


@pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.name)
def test_a_method_that_was_renamed_is_an_error_in_the_log(
    replaced: Replaced, caplog: pytest.LogCaptureFixture
) -> None:
    later = SimpleNamespace(platform=SimpleNamespace(value=replaced.platform))
    assert method_of(later, replaced) is None
    assert caplog.messages == []  # an adapter that never had it
    setattr(later, replaced.sign, object())
    with caplog.at_level(logging.ERROR):
        assert method_of(later, replaced) is None
    assert f"lacks SimpleNamespace.{replaced.name}: {replaced.without}" in caplog.text


async def test_the_adapter_sets_its_menu_only_in_forums_without_a_menu_of_the_router(
    adapter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    async def set_my_commands(_commands: object, *, scope: Any) -> None:
        asked.append(scope.chat_id)

    adapter._bot = SimpleNamespace(set_my_commands=set_my_commands)
    keep_forums(adapter, lambda chat: chat == "-1")
    for chat in (-1, -2, -2):
        await adapter._ensure_forum_commands(message_in(chat))
    assert asked == [-2]
    keep_forums(adapter, lambda _chat: False)  # the router has taken its menus away
    forget_forum(adapter, -1)
    for chat in (-1, -2):
        await adapter._ensure_forum_commands(message_in(chat))
    assert asked == [-2, -1]
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def message_in(forum: int) -> SimpleNamespace:
    return SimpleNamespace(chat=SimpleNamespace(id=forum, is_forum=True))


def test_an_adapter_that_keeps_no_set_of_forums_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        keep_forums(SimpleNamespace(), lambda _chat: True)
    assert "may replace the menu of a routed forum by the gateway's" in caplog.text
