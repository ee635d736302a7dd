"""What the profile's memory provider hears when a session of a routed conversation ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.state import memory_keeper
from tests.kit.workers.real_worker import WorkerKit


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[WorkerKit]:
    """Workers of a profile whose memory provider writes down what it is given."""
    settings = {
        "approvals": {"destructive_slash_confirm": False},
        "memory": {"provider": "keeper"},
    }
    with FakeTelegram() as telegram:  # a root has a bot; nobody here connects to it
        root = HermesRoot(tmp_path_factory.mktemp("keeping"), telegram=telegram, model=model)
        profile = root.add_profile("career", model="gpt-of-career", config=settings)
        memory_keeper.install(profile.path)
        with WorkerKit(root, "career") as kit:
            yield kit


def kept(kit: WorkerKit) -> list[dict[str, Any]]:
    file = kit.home / "kept.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_it_is_handed_the_conversation_that_new_ends(keeping: WorkerKit) -> None:
    place, other = keeping.place(1), keeping.place(2)
    for text in ("first words", "second words"):
        place.ask(text)
    other.ask("of another session")
    assert kept(keeping) == []
    place.ask("/new")
    (end,) = kept(keeping)
    assert len(end["said"]) == 2
    assert all(text in said for text, said in zip(("first", "second"), end["said"], strict=True))
    assert end["of"]["thread_id"] == "1"
    place.ask("/new")
    assert len(kept(keeping)) == 1  # nothing was said in between
