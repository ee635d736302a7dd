"""A line of a session's history that the database refuses is not lost with the worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway.session import SessionStore

from hermes_router.hermes.compat.events import source_fields
from hermes_router.state.observed import write_down
from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.workers.real_worker import WorkerKit

PLUGIN = """
import os, pathlib, sqlite3

def register(ctx):
    from gateway.session import SessionStore
    append = SessionStore._append_transcript_message
    broken = pathlib.Path(os.environ["HERMES_HOME"], "broken")

    def refused(self, session_id, message):
        if broken.exists():
            raise sqlite3.OperationalError("database is locked")
        return append(self, session_id, message)

    SessionStore._append_transcript_message = refused
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[WorkerKit]:
    """Workers of a profile whose database refuses lines while the home has the file `broken`."""
    with FakeTelegram() as telegram:  # a root has a bot; nobody here connects to it
        root = HermesRoot(tmp_path_factory.mktemp("refusing"), telegram=telegram, model=model)
        profile = root.add_profile("career", model="gpt-of-career")
        profile.add_plugin("refuses", PLUGIN)
        with WorkerKit(root, "career") as kit:
            yield kit


@pytest.mark.skipif(
    not hasattr(SessionStore, "_spool_stalled_backlog"),
    reason="before 0.21, Hermes keeps such lines in no files",
)
def test_what_was_overheard_then_is_known_to_the_next_turn(
    kit: WorkerKit, model: FakeModel
) -> None:
    place = kit.place(1)
    place.ask("good morning")
    row = {"role": "user", "content": "the deadline is on Friday", "observed": True}
    write_down(kit.home, source_fields(place.source()), row)
    (kit.home / "broken").touch()
    place.ask("hello")
    (kit.home / "broken").unlink()
    seq = model.seq
    place.ask("when is the deadline?")
    assert b"on Friday" in model.wait_chat("when is", after=seq).body
    assert list((kit.home / "pending_messages").glob("*.json")) == []
