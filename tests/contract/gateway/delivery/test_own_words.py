"""What an adapter itself says of a place is told from what the gateway's configuration says."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.compat.adapters.own_words import own_words

CONFIGURED = "the gateway's own prompt"
MESSAGE = SimpleNamespace(chat=SimpleNamespace(id=-100, type="supergroup"))


def adapter_of(platform: str, **attributes: Any) -> Any:
    """Return a real adapter that was never started, for a channel with a configured prompt."""
    module = importlib.import_module(f"plugins.platforms.{platform}.adapter")
    kind = getattr(module, f"{platform.title()}Adapter")
    adapter = kind.__new__(kind)
    adapter.config = SimpleNamespace(extra={"channel_prompts": {"C1": CONFIGURED}})
    vars(adapter).update(attributes)
    return adapter


def words(adapter: Any, prompt: str | None) -> str | None:
    source = SimpleNamespace(platform="any", profile=None, scope_id="T1")
    runner = SimpleNamespace(adapters={"any": adapter})
    return own_words(runner, SimpleNamespace(source=source, channel_prompt=prompt))


@pytest.fixture
def telegram() -> Any:
    return adapter_of("telegram", _bot=SimpleNamespace(id=7, username="Kit_Bot"))


def test_a_configured_prompt_is_no_word_of_the_adapters(telegram: Any) -> None:
    assert words(telegram, CONFIGURED) is None
    assert words(telegram, None) is None


def test_telegrams_words_on_overheard_chatter_stay(telegram: Any) -> None:
    explained = telegram._telegram_group_observe_channel_prompt()
    assert words(telegram, explained) == explained
    assert words(telegram, f"{CONFIGURED}\n\n{explained}") == explained


def test_telegrams_words_on_the_bots_name_stay(telegram: Any) -> None:
    context = pytest.importorskip("plugins.platforms.telegram.telegram_context")  # Hermes 0.22
    named = context.group_identity_prompt(telegram, MESSAGE, None)
    assert "@kit_bot" in named
    explained = telegram._telegram_group_observe_channel_prompt()
    prompt = context.group_identity_prompt(telegram, MESSAGE, CONFIGURED)
    assert words(telegram, prompt) == named
    assert words(telegram, f"{prompt}\n\n{explained}") == f"{named}\n\n{explained}"


def test_slacks_words_on_the_bots_name_stay() -> None:
    slack = adapter_of("slack", _bot_display_name="Kit", _team_bot_names={"T1": "Kit One"})
    if not hasattr(slack, "_channel_prompt_with_identity"):  # before Hermes 0.22
        assert words(slack, CONFIGURED) is None
        return
    prompt = slack._channel_prompt_with_identity("C1", "T1")
    assert CONFIGURED in prompt
    named = words(slack, prompt)
    assert named is not None
    assert "Kit One" in named
    assert CONFIGURED not in named


def test_an_adapter_that_raises_says_nothing(telegram: Any) -> None:
    def broken() -> str:
        raise LookupError("no name yet")

    telegram._telegram_group_observe_channel_prompt = broken
    assert words(telegram, CONFIGURED) is None
