"""A profile's home that does not answer holds up the messages of no other profile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes import message_register
from hermes_router.hermes.message_register import MessageRegister
from hermes_router.profiles.model import Profile
from hermes_router.state import kept_event
from hermes_router.state.ledger import Identity, Ledger

pytestmark = pytest.mark.timeout(60)


class Conversation:
    """As much of a conversation as the register needs."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.key = f"agent:main:{profile.name}"
        profile.home.mkdir(parents=True)

    def event_fields(self, event: Any) -> dict[str, Any]:
        return {"text": event.text}


def event(number: int) -> Any:
    return SimpleNamespace(text=f"message {number}", media_urls=[], source=None, number=number)


async def test_only_its_own_messages_wait_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, answers, written = kept_event.keep, threading.Event(), []

    def slowly(home: Path, number: str, fields: dict[str, Any], *, files: bool) -> None:
        if home.name == "slow":
            assert answers.wait(30)
        written.append(fields["text"])
        keep(home, number, fields, files=files)

    monkeypatch.setattr(kept_event, "keep", slowly)
    monkeypatch.setattr(message_register, "entry_number", lambda _event: "")
    monkeypatch.setattr(message_register, "kept_source", lambda _source: {})
    monkeypatch.setattr(
        message_register,
        "identity_of",
        lambda event: Identity(platform="telegram", chat_id="1", parts=((str(event.number), ""),)),
    )
    register = MessageRegister(Ledger(tmp_path / "ledger.jsonl"), tmp_path)
    slow, quick = (Conversation(Profile(name, tmp_path / name)) for name in ("slow", "quick"))
    waiting = [asyncio.create_task(register.enter(event(n), slow)) for n in (1, 2)]  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    assert await register.enter(event(3), quick) is not None  # type: ignore[arg-type]
    assert written == ["message 3"]
    answers.set()
    assert all(await asyncio.gather(*waiting))
    assert written == ["message 3", "message 1", "message 2"]
