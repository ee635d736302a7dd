"""The notice that the gateway stops, in the language of the profile whose turns run in a place."""

from __future__ import annotations

import enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.compat.seams import gateway_runner, sending, texts
from hermes_router.hermes.features import home_notices
from hermes_router.hermes.features.home_notices import HomeNotices
from hermes_router.profiles.model import Profile


class Platform(enum.Enum):
    """As much of Hermes's platforms as a place needs."""

    TELEGRAM = "telegram"


FAMILY = Profile(name="family", home=Path("/nowhere"))


def source(thread: str) -> Any:
    return SimpleNamespace(platform=Platform.TELEGRAM, chat_id="-100", thread_id=thread)


async def test_a_place_in_which_two_people_have_turns_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn, sent = SimpleNamespace(profile=FAMILY), []

    async def send_to(_runner: Any, where: Any, text: str) -> bool:
        sent.append((where.thread_id, text))
        return True

    turns = [("one", turn, source("6")), ("two", turn, source("6")), ("three", turn, source("7"))]
    monkeypatch.setattr(gateway_runner, "running_turns", lambda _runner: turns)
    monkeypatch.setattr(gateway_runner, "restart_was_planned", lambda: False)
    monkeypatch.setattr(home_notices, "display_language", lambda _profile: "de")
    monkeypatch.setattr(texts, "text_in", lambda _key, language: language or "en")
    monkeypatch.setattr(sending, "send_to", send_to)
    runner = SimpleNamespace(config=SimpleNamespace(platforms={}))
    notices = HomeNotices(runner, SimpleNamespace())  # type: ignore[arg-type]
    assert await notices.tell_turns() == {"one", "two", "three"}
    assert sent == [("6", "de"), ("7", "de")]
