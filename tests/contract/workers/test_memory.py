"""The file in which a session's state waits for its next worker."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway import run
from gateway.config import GatewayConfig, Platform
from gateway.platforms.base import MessageEvent
from gateway.session import SessionEntry, SessionSource, SessionStore, build_session_key
from tools import approval

from hermes_router_worker import json_files
from hermes_router_worker.hermes.events import event_from_plain
from hermes_router_worker.home import lock, session_state

SOURCE = SessionSource(
    platform=Platform("telegram"), chat_id="-100", chat_type="group", user_id="7", thread_id="6"
)
KEY = build_session_key(SOURCE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    approval.clear_session(KEY)
    return tmp_path


class Runner(run.GatewayRunner):
    """The real class, without what its constructor sets up."""

    def __init__(self) -> None:
        self._session_reasoning_overrides: dict[str, Any] = {}
        self.adapter: Any = SimpleNamespace(_active_sessions={}, _pending_messages={})
        folder = Path(os.environ["HERMES_HOME"]) / "sessions"
        self.session_store: Any = SessionStore(folder, GatewayConfig())

    def yolo(self, *, on: bool) -> None:
        """Do as ``/yolo`` does: change the session's row (since 0.22), then what is in memory."""
        self.session_store.get_or_create_session(SOURCE)
        if hasattr(SessionEntry, "yolo"):
            self.session_store.set_session_yolo(KEY, on)
        (approval.enable_session_yolo if on else approval.disable_session_yolo)(KEY)


def worker(
    key: str = KEY, without: Callable[[Any], bool] = lambda _event: False
) -> tuple[Any, session_state.SessionState]:
    """Attach a runner as a fresh process would."""
    approval.clear_session(key)
    runner = Runner()
    return runner, session_state.attach(runner, runner.adapter, key, without)


def efforts(runner: Any) -> dict[str, Any]:
    return dict(runner._session_reasoning_overrides)


def test_every_map_that_hermes_lists_is_kept() -> None:
    runner, memory_of_first = worker()
    plain = [name for name in run._CONVERSATION_SCOPED_STATE if name != "_queued_events"]
    for name in plain:
        setattr(runner, name, {KEY: {"model": name}, "another": {"model": "not-ours"}})
    memory_of_first.save()
    later, _ = worker()
    for name in plain:
        assert getattr(later, name)[KEY] == {"model": name}, name
        assert "another" not in getattr(later, name)


def test_an_older_worker_does_not_overwrite_what_a_newer_one_saved() -> None:
    first, memory_of_first = worker()
    first._session_reasoning_overrides[KEY] = {"effort": "low"}
    memory_of_first.save()
    second, memory_of_second = worker()
    second._session_reasoning_overrides[KEY] = {"effort": "high"}
    memory_of_first.save()  # the second is attached, even though it has saved nothing yet
    memory_of_second.save()
    memory_of_first.save()
    third, _ = worker()
    assert efforts(third) == {KEY: {"effort": "high"}}


def test_a_worker_that_dies_after_new_leaves_nothing_of_the_old_conversation() -> None:
    first, memory_of_first = worker()
    first._session_reasoning_overrides[KEY] = {"effort": "low"}
    first.yolo(on=True)
    memory_of_first.save()
    second, _ = worker()
    assert efforts(second)
    assert approval.is_session_yolo_enabled(KEY)
    second._clear_conversation_scope(KEY, reason="session_reset")
    third, _ = worker()
    assert efforts(third) == {}
    assert not approval.is_session_yolo_enabled(KEY)


def test_what_a_command_sets_in_mid_turn_holds_although_the_worker_dies_in_that_turn() -> None:
    first, memory_of_first = worker()
    first.yolo(on=True)
    first._session_reasoning_overrides[KEY] = {"effort": "low"}
    memory_of_first.save()
    second, memory_of_second = worker()
    second.yolo(on=False)
    second._session_reasoning_overrides[KEY] = {"effort": "high"}
    memory_of_second.save_settings()
    third, _ = worker()
    assert not approval.is_session_yolo_enabled(KEY)
    assert efforts(third) == {KEY: {"effort": "high"}}


@pytest.mark.skipif(not hasattr(SessionEntry, "yolo"), reason="Hermes keeps it itself from 0.22 on")
def test_yolo_is_over_when_hermes_has_written_so_although_nothing_else_was_saved() -> None:
    first, memory_of_first = worker()
    first.yolo(on=True)
    memory_of_first.save()
    second, _ = worker()
    assert approval.is_session_yolo_enabled(KEY)
    second.yolo(on=False)
    worker()
    assert not approval.is_session_yolo_enabled(KEY)


def test_a_command_in_mid_turn_costs_no_message_that_waits() -> None:
    first, memory_of_first = worker()
    first._queued_events = {KEY: [queued("1"), queued("2")]}
    memory_of_first.save()
    _second, memory_of_second = worker()
    assert memory_of_second.next_queued().message_id == "1"
    memory_of_second.save_settings()  # before the model is asked for it
    third, _ = worker()
    assert [event.message_id for event in third._queued_events[KEY]] == ["1", "2"]


def test_a_queued_message_is_on_disk_until_its_model_is_asked(home: Path) -> None:
    first, memory_of_first = worker()
    first._queued_events = {KEY: [queued("1"), queued("2"), queued("3")]}
    memory_of_first.save()
    second, memory = worker()
    slot, queue = second.adapter._pending_messages, second._queued_events[KEY]
    coming = memory.next_queued()
    memory.note_begun([coming])
    assert on_disk(home) == ["1", "2", "3"]
    memory.note_begun()
    assert on_disk(home) == ["2", "3"]
    slot[KEY] = queue.pop(0)  # as Hermes does when a turn has ended
    memory.note_begun()
    assert on_disk(home) == ["2", "3"]
    del slot[KEY]
    memory.note_begun()
    assert on_disk(home) == ["3"]
    queue.clear()
    memory.note_begun()
    assert on_disk(home) == []


def test_a_queued_command_is_begun_in_one_worker_although_it_dies_in_it(home: Path) -> None:
    first, memory_of_first = worker()
    first._queued_events = {KEY: [queued("1"), queued("2", "/status"), queued("3")]}
    memory_of_first.save()
    _second, memory = worker()
    assert memory.next_queued().message_id == "1"
    memory.note_command(queued("9", "/status"))  # another one, typed meanwhile
    assert on_disk(home) == ["1", "2", "3"]
    memory.note_command(dataclasses.replace(memory.next_queued()))  # Hermes may copy it
    assert on_disk(home) == ["1", "3"]
    third, memory_of_third = worker()
    assert [event.message_id for event in third._queued_events[KEY]] == ["1", "3"]
    memory_of_third.save_settings()
    assert on_disk(home) == ["1", "3"]


def on_disk(home: Path) -> list[str]:
    """Return the ids of the messages that the session's next worker would begin."""
    [file] = (home / "hermes-router" / "sessions").glob("*.json")
    left = json.loads(file.read_bytes())["state"].get("_queued_events", [])
    return [event_from_plain(event).message_id for event in left]


@pytest.mark.parametrize("ended", [True, False])
def test_what_somebody_else_has_served_is_not_saved(*, ended: bool) -> None:
    runner, memory_of_first = worker(without=lambda event: event.message_id == "2")
    runner._queued_events = {KEY: [queued("1"), queued("2")]}
    if ended:
        memory_of_first._ended(KEY)  # as for /new
    else:
        memory_of_first.hold_queue()
        memory_of_first.save()
    later, _ = worker()
    assert [event.message_id for event in later._queued_events[KEY]] == ["1"]


def queued(number: str, text: str = "later") -> MessageEvent:
    return MessageEvent(text=text, source=SOURCE, message_id=number)


def test_the_end_of_another_sessions_conversation_is_followed() -> None:
    other, memory_of_other = worker("agent:main:other")
    other._session_reasoning_overrides["agent:main:other"] = {"effort": "low"}
    memory_of_other.save()
    upkeep, _ = worker()
    upkeep._clear_conversation_scope("agent:main:other", reason="expiry_finalized")
    again, _ = worker("agent:main:other")
    assert efforts(again) == {}


def test_what_cannot_be_written_costs_that_item_only(caplog: pytest.LogCaptureFixture) -> None:
    first, memory_of_first = worker()
    first._pending_model_notes = {KEY: object()}
    first._session_reasoning_overrides[KEY] = {"effort": "low"}
    with caplog.at_level(logging.WARNING):
        memory_of_first.save()
    assert "_pending_model_notes" in caplog.text
    second, _ = worker()
    assert efforts(second) == {KEY: {"effort": "low"}}


def test_a_home_that_cannot_be_written_costs_a_line_in_the_log(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "hermes-router").write_text("in the way")
    _runner, memory_of_first = worker()
    memory_of_first.save()
    assert "the session's state was not" in caplog.text


def test_a_full_disk_costs_no_setting_and_has_no_queued_message_begun_twice(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, memory_of_first = worker()
    first._session_reasoning_overrides[KEY] = {"effort": "low"}
    first._queued_events = {KEY: [queued("1")]}
    memory_of_first.save()

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as disk:
        disk.setattr(json_files, "write", full)
        second, memory_of_second = worker()
    assert "the session's state was not restored" in caplog.text
    assert efforts(second) == {KEY: {"effort": "low"}}
    assert memory_of_second.next_queued() is None
    memory_of_second.note_begun()
    memory_of_second.save()
    assert on_disk(home) == ["1"]
    third, _ = worker()
    assert [event.message_id for event in third._queued_events[KEY]] == ["1"]


def test_it_costs_little() -> None:
    runner, memory_of_first = worker()
    runner._session_reasoning_overrides[KEY] = {"effort": "low"}
    took = []
    for _ in range(50):
        begun = time.perf_counter()
        memory_of_first.restore()
        memory_of_first.save()
        took.append(time.perf_counter() - begun)
    # Restored and saved, each below 2 ms on a machine that is free; one may be three times slower.
    assert min(took) < 0.012


def test_a_login_that_takes_long_keeps_no_other_worker_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[bool] = []

    def refreshed(_provider: str) -> dict[str, Any]:
        with lock.open_lock(home / "hermes-router" / "memory.lock") as handle:
            free.append(lock.acquire(handle, wait=0.0))
        return {}

    first, memory_of_first = worker()
    first._session_model_overrides = {KEY: {"model": "m", "provider": "p"}}
    memory_of_first.save()
    monkeypatch.setattr(run, "_resolve_runtime_agent_kwargs_for_provider", refreshed)
    worker()
    assert free == [True]
