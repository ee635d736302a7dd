"""The record of the running gateway: which Hermes it runs, and whether it ended cleanly."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec
import pytest

from hermes_router.cli.inspect.gateway.serving import compare
from hermes_router.protocol.system import sources
from hermes_router.state import running
from hermes_router.state.running import PLACE, Running, RunningRecord


@pytest.fixture
def hermes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two files that stand for all of Hermes's."""
    files = [tmp_path / "run.py", tmp_path / "status.py"]
    for file in files:
        file.write_text(f"name = {file.name!r}\n")
    monkeypatch.setattr(sources, "of_hermes", lambda: files)
    return files


def recorded(home: Path) -> Running:
    """Have this process's record written, as a gateway does with all that it knows."""
    writer = RunningRecord(home)
    writer.note(None, None)
    writer.note_hermes(content_of_hermes())
    record = running.read(home)
    assert record is not None
    return record


def content_of_hermes() -> str:
    return sources.joined({file: sources.digest(file) for file in sources.of_hermes()})


def what(record: Running) -> str:
    return compare(os.getpid(), record, None, "restart", "doctor").what


def test_a_file_of_hermes_with_a_new_time_and_the_old_content_is_no_other_hermes(
    tmp_path: Path, hermes: list[Path]
) -> None:
    record = recorded(tmp_path)
    os.utime(hermes[0], (1, 1))
    assert running.installed().hermes_code != record.code.hermes_code
    assert "older Hermes" not in what(record)


def test_a_file_of_hermes_with_a_new_content_is_another_hermes(
    tmp_path: Path, hermes: list[Path]
) -> None:
    record = recorded(tmp_path)
    hermes[1].write_text("name = 'another'\n")
    assert what(record).endswith("with an older Hermes")


def test_an_exchange_of_contents_between_files_is_another_hermes(
    tmp_path: Path, hermes: list[Path]
) -> None:
    record = recorded(tmp_path)
    first, second = (file.read_text() for file in hermes)
    hermes[0].write_text(second)
    hermes[1].write_text(first)
    assert what(record).endswith("with an older Hermes")


def test_before_the_content_is_known_a_new_time_counts_as_another_hermes(
    tmp_path: Path, hermes: list[Path]
) -> None:
    RunningRecord(tmp_path).note(None, None)
    record = running.read(tmp_path)
    assert record is not None
    assert "older Hermes" not in what(record)
    os.utime(hermes[0], (1, 1))
    assert what(record).endswith("with an older Hermes")


def test_an_unchanged_hermes_is_not_read(
    tmp_path: Path, hermes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = recorded(tmp_path)
    now = running.installed()
    monkeypatch.setattr(sources, "content", lambda _: pytest.fail("a file was read"))
    assert hermes
    assert not running.is_other_hermes(record.code, now)


def test_the_record_of_a_gateway_that_ended_says_that_it_was_killed(
    tmp_path: Path, hermes: list[Path]
) -> None:
    assert hermes
    assert not running.was_killed(tmp_path)
    record = recorded(tmp_path)
    assert not running.was_killed(tmp_path)
    ended = msgspec.structs.replace(record, start_time=1)
    (tmp_path / PLACE).write_bytes(msgspec.json.encode(ended))
    assert running.was_killed(tmp_path)
    assert running.read(tmp_path) is None
    RunningRecord(tmp_path).remove()
    assert not running.was_killed(tmp_path)


def test_a_record_that_the_disk_did_not_take_is_written_when_there_is_room(
    tmp_path: Path, hermes: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert hermes
    in_the_way = (tmp_path / PLACE).parent
    in_the_way.touch()
    writer = RunningRecord(tmp_path)
    for _message in range(3):
        writer.note(None, None)
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1
    in_the_way.unlink()
    writer.note(None, None)
    record = running.read(tmp_path)
    assert record is not None
    assert record.pid == os.getpid()
