"""The methods of real adapters that the router replaces; a Hermes that renames one is noticed."""

from __future__ import annotations

import importlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.compat.replacing.adapter_patches import (
    CLICK,
    FORUM_COMMANDS,
    OBSERVED_MEDIA,
    STICKER,
    Replaced,
    method_of,
)

REPLACED = (CLICK, FORUM_COMMANDS, OBSERVED_MEDIA, STICKER)


@pytest.fixture(scope="module")
def adapter() -> Any:
    """Return the real Telegram adapter of this Hermes."""
    config = importlib.import_module("gateway.config")
    module = importlib.import_module("plugins.platforms.telegram.adapter")
    return module.TelegramAdapter(config.PlatformConfig(enabled=True, token="1:x"))


@pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.name)
def test_the_telegram_adapter_has_what_is_replaced(
    adapter: Any, replaced: Replaced, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(method_of(adapter, replaced))
    assert hasattr(adapter, replaced.sign)
    assert caplog.messages == []


@pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.name)
def test_a_method_that_was_renamed_is_an_error_in_the_log(
    replaced: Replaced, caplog: pytest.LogCaptureFixture
) -> None:
    later = SimpleNamespace(platform=SimpleNamespace(value="telegram"))
    assert method_of(later, replaced) is None
    assert caplog.messages == []  # an adapter that never had it
    setattr(later, replaced.sign, object())
    with caplog.at_level(logging.ERROR):
        assert method_of(later, replaced) is None
    assert f"lacks SimpleNamespace.{replaced.name}: {replaced.without}" in caplog.text
