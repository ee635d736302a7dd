"""Where a routed turn stands in Hermes's table of running agents."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hermes_router.hermes.message_handler import RunningTurn
from hermes_router.profiles.model import Profile


def test_two_messages_of_a_session_have_places_of_their_own() -> None:
    """The end of one, for example because it was refused, must not hide the other one's turn."""
    conversation = cast("Any", SimpleNamespace(profile=Profile("kids", Path()), key="session"))
    first, second = (RunningTurn(None, conversation, cast("Any", None)) for _ in range(2))
    assert first.key != second.key
