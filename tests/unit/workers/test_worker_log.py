"""The worker log: what is written can be read again, whatever else stands in the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes_router.workers.worker_log import (
    FILE_NAME,
    WorkerLog,
    parse_turns,
    plain,
    read_turns,
    write_line,
)

SAMPLE = """\
2026-01-02T03:04:05.000+00:00 hermes-router begin turn=aa profile=career session=s:1 launcher=local
2026-01-02T03:04:05.100+00:00 hermes-router begin turn=bb profile=career session=s:2 launcher=local
2026-01-02T03:04:05.200+00:00 hermes-router worker turn=bb pid=12 hermes=0.19.0
WARNING something: hermes-router end turn=aa exit=forged
Traceback (most recent call last):
2026-01-02T03:04:05.300+00:00 hermes-router worker turn=aa pid=11 hermes=0.19.0
2026-01-02T03:04:06.000+00:00 hermes-router end turn=bb exit=SIGKILL failure="it died" gone=0.900
2026-01-02T03:04:07.000+00:00 hermes-router end turn=aa exit="status 0" start=0.004 \
ready.import=0.474 ready=1.434 model_request=5.574 reply=7.327 gone=7.924
"""


def test_interleaved_turns_are_told_apart() -> None:
    first, second = parse_turns(SAMPLE.splitlines(keepends=True))
    assert (first.turn, first.pid, first.session, first.exit) == ("aa", 11, "s:1", "status 0")
    assert first.phases["model_request"] == 5.574
    assert first.phases["ready.import"] == 0.474
    assert first.failure is None
    assert (second.turn, second.pid, second.exit) == ("bb", 12, "SIGKILL")
    assert second.failure == "it died"
    assert second.phases == {"gone": 0.9}


def test_a_log_is_rotated_once_where_two_turns_begin_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second rotation would put the fresh log in the place of the one that was just put away."""
    log = WorkerLog(tmp_path, max_bytes=5, backups=1)
    log.path.write_text("a full log\n")
    threads: list[Thread] = []
    look = os.stat

    def look_meanwhile(*args: Any, **options: Any) -> os.stat_result:
        found = look(*args, **options)
        if args[0] == FILE_NAME and not threads:
            threads.append(Thread(target=lambda: os.close(log.open())))
            threads[0].start()
            threads[0].join(0.5)  # for ever, if the other turn has to wait for this one
        return found

    monkeypatch.setattr(os, "stat", look_meanwhile)
    os.close(log.open())
    threads[0].join(60)
    assert log.path.with_name(f"{FILE_NAME}.1").read_text() == "a full log\n"
    assert log.path.read_text() == ""


def test_a_running_turn_has_no_exit() -> None:
    running, _ = parse_turns(SAMPLE.splitlines()[:3])
    assert running.exit is None
    assert running.phases == {}


def test_a_missing_log_tells_of_no_turn(tmp_path: Path) -> None:
    assert read_turns(tmp_path / FILE_NAME) == []


def test_damaged_lines_are_passed_over() -> None:
    damaged = ["hermes-router", "x hermes-router end", "x hermes-router end turn=a gone=soon", "\0"]
    (record,) = parse_turns(damaged)
    assert (record.turn, record.phases, record.exit) == ("a", {}, None)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example('says "no" = \\x22')
@example("\N{LINE SEPARATOR}\U000e0001\n")
def test_any_text_survives_a_line(text: str) -> None:
    line = f"t hermes-router end turn=a failure={plain(text)} gone=1.000\n"
    assert len(line.splitlines()) == 1
    (record,) = parse_turns([line])
    assert record.failure == text
    assert record.phases == {"gone": 1.0}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path, max_bytes=4096, backups=1)
    descriptor = log.open()
    write_line(descriptor, "begin", {"turn": "a", "profile": "career", "session": "a b=c"})
    os.write(descriptor, b"\xff no text\n")
    write_line(descriptor, "end", {"turn": "a", "exit": "status 0", "gone": 0.5})
    os.close(descriptor)
    (record,) = read_turns(log.path)
    assert (record.profile, record.session, record.exit) == ("career", "a b=c", "status 0")
    assert record.began is not None
    assert record.phases == {"gone": 0.5}


def test_a_file_name_that_is_no_text_is_written_as_json_too(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path, max_bytes=4096, backups=1, as_json=True)
    descriptor = log.open()
    write_line(descriptor, "end", {"turn": "a", "failure": "no file \udcff"}, as_json=True)
    os.close(descriptor)
    assert json.loads(log.path.read_text())["failure"] == "no file \\udcff"


def test_a_line_that_did_not_fit_on_the_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = WorkerLog(tmp_path, max_bytes=4096, backups=1).open()
    monkeypatch.setattr(os, "write", lambda _to, data: len(data) - 1)
    with pytest.raises(OSError, match="No space left"):
        write_line(descriptor, "end", {"turn": "a"})
    os.close(descriptor)


def test_a_full_log_is_rotated_before_the_next_turn_and_the_oldest_is_dropped(
    tmp_path: Path,
) -> None:
    log = WorkerLog(tmp_path, max_bytes=4096, backups=2)
    for turn in "abcdef":
        descriptor = log.open()
        os.write(descriptor, f"{turn}\n".encode() + b"x" * 2000 + b"\n")
        os.close(descriptor)
    names = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert names == {FILE_NAME: "d", f"{FILE_NAME}.1": "a"}
    for turn in "ghijkl":
        descriptor = log.open()
        os.write(descriptor, f"{turn}\n".encode() + b"x" * 4096)
        os.close(descriptor)
    names = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert names == {FILE_NAME: "l", f"{FILE_NAME}.1": "k", f"{FILE_NAME}.2": "j"}


def test_a_running_turn_goes_on_writing_where_it_began(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path, max_bytes=4096, backups=1)
    first = log.open()
    os.write(first, b"x" * 5000)
    second = log.open()
    os.write(first, b"of the first\n")
    os.write(second, b"of the second\n")
    os.close(first)
    os.close(second)
    assert log.path.read_text() == "of the second\n"
    assert (tmp_path / f"{FILE_NAME}.1").read_text().endswith("of the first\n")


@pytest.mark.parametrize("what", ["link", "fifo"])
def test_a_log_that_is_no_file_is_refused(tmp_path: Path, what: str) -> None:
    log, elsewhere = WorkerLog(tmp_path, max_bytes=4096, backups=1), tmp_path / "elsewhere"
    if what == "link":
        log.path.symlink_to(elsewhere)
    else:
        os.mkfifo(log.path)
    with pytest.raises(OSError, match=r"hermes-router-worker\.log|symbolic links"):
        log.open()
    assert not elsewhere.exists()
