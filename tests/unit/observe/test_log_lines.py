"""Three kinds of logs are read as one, also while they are rotated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.observe.log_files import TAIL_BYTES, Follower, LogFile, read
from hermes_router.observe.log_lines import Entry, entries
from hermes_router.workers.worker_log import write_line

WORKER = """\
2026-01-02T03:04:05.000+00:00 hermes-router begin turn=1f0c2a9b profile=career start=cold
2026-01-02T03:04:05.100+00:00 1f0c2a9b WARNING tools: something is odd
2026-01-02T03:04:05.200+00:00 - before any turn
2026-01-02T03:04:05.300+00:00 1f0c2a9b 2026-01-02T00:00:00.000+00:00 hermes-router end turn=7d31e0c4
{"time": "2026-01-02T03:04:05.400+00:00", "turn": "1f0c2a9b", "text": "as an object"}
{"time": "2026-01-02T03:04:05.500+00:00", "event": "end", "turn": "1f0c2a9b", "outcome": "model_failed"}
"""  # noqa: E501
HERMES = """\
no time at all
2026-01-02 03:04:05,123 INFO [20260102_abc] [turn 1f0c2a9b] gateway.run: hello
2026-01-02 03:04:05,124 ERROR gateway.run: turn 7d31e0c4 is in the text
Traceback (most recent call last):
  File "x", line 1
2026-01-02 03:04:05,125 INFO [20260102_abc] [turn 1f0c2a9b] x: [turn 7d31e0c4]
"""


def test_a_worker_logs_lines_have_turn_and_level() -> None:
    found = list(entries(WORKER.splitlines(), "worker", "career"))
    assert [entry.turn for entry in found] == [
        *("1f0c2a9b", "1f0c2a9b", "", "1f0c2a9b", "1f0c2a9b", "1f0c2a9b"),
    ]
    assert [entry.level for entry in found] == [
        *("INFO", "WARNING", "INFO", "INFO", "INFO", "WARNING"),
    ]
    assert found[3].lines[0].endswith("hermes-router end turn=7d31e0c4")


def test_a_traceback_belongs_to_the_line_before_it() -> None:
    gateway = list(entries(HERMES.splitlines(), "gateway", ""))
    assert [entry.turn for entry in gateway] == ["1f0c2a9b", "7d31e0c4", "1f0c2a9b"]
    assert len(gateway[1].lines) == 3
    own = list(entries(HERMES.splitlines(), "profile", "career"))
    assert [entry.turn for entry in own] == ["1f0c2a9b", "", "1f0c2a9b"]


PRINTED = """\
2026-01-02T03:04:05.100+00:00 1f0c2a9b ERROR x: it failed
2026-01-02T03:04:05.100+00:00 1f0c2a9b Traceback (most recent call last):
2026-01-02T03:04:05.100+00:00 1f0c2a9b ValueError: no
2026-01-02T03:04:05.100+00:00 1f0c2a9b WARNING x: another one
2026-01-02T03:04:05.100+00:00 7d31e0c4 of another turn
2026-01-02T03:04:05.200+00:00 1f0c2a9b ERROR x: again
2026-01-02T03:04:05.200+00:00 hermes-router end turn=1f0c2a9b exit="status 0"
2026-01-02T03:04:05.300+00:00 1f0c2a9b ERROR x: and again
2026-01-02T03:04:05.301+00:00 1f0c2a9b later
2026-01-02T03:04:05.301+00:00 1f0c2a9b at the same time
"""
_HEAD = "2026-01-02T03:04:05.100+00:00 1f0c2a9b "


@pytest.mark.parametrize("as_json", [False, True])
def test_a_traceback_that_a_worker_prints_belongs_to_its_error(*, as_json: bool) -> None:
    lines = PRINTED.splitlines()
    if as_json:
        at, turn = _HEAD.split()
        lines = [
            json.dumps({"time": at, "turn": turn, "text": line.removeprefix(_HEAD)})
            for line in lines[:4]
        ]
    found = list(entries(lines, "worker", "career"))
    told = [
        ["ERROR x: it failed", "Traceback (most recent call last):", "ValueError: no"],
        ["WARNING x: another one"],
        ["of another turn"],
        ["ERROR x: again"],
        ['end exit="status 0"'],
        ["ERROR x: and again"],
        ["later"],
        ["at the same time"],
    ]
    assert [entry.lines for entry in found] == (told[:2] if as_json else told)
    assert found[0].level == "ERROR"


def line(number: int) -> str:
    return f"2026-01-02 03:04:05,{number:03d} INFO x: line {number}\n"


def texts(found: list[Entry]) -> list[str]:
    return [entry.lines[0] for entry in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.log"


@pytest.fixture
def follower(path: Path) -> Iterator[Follower]:
    made = Follower(LogFile(path, "profile", "career"))
    yield made
    made.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_following_loses_nothing_in_a_rotation(path: Path, follower: Follower) -> None:
    path.write_text(line(0))
    assert texts(follower.begin(whole=False)) == ["x: line 0"]
    append(path, line(1) + line(2)[:10])
    assert texts(follower.poll()) == ["x: line 1"]
    append(path, line(2)[10:] + line(3))
    path.rename(path.with_name("agent.log.1"))
    path.write_text(line(4))
    assert texts(follower.poll()) == ["x: line 2", "x: line 3", "x: line 4"]
    path.write_text("")  # cut off in its place
    assert texts(follower.poll()) == []
    path.write_text(line(5))
    assert texts(follower.poll()) == ["x: line 5"]


def test_a_process_may_write_on_into_a_file_that_was_rotated_away(
    path: Path, follower: Follower
) -> None:
    path.write_text(line(0))
    follower.begin(whole=False)
    with path.open("a") as opened_before:
        path.rename(path.with_name("agent.log.1"))
        path.write_text(line(1))
        assert texts(follower.poll()) == ["x: line 1"]
        opened_before.write(line(2))
    append(path, line(3))
    assert texts(follower.poll()) == ["x: line 2", "x: line 3"]


def test_a_follower_keeps_two_files_open_at_most(path: Path, follower: Follower) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        path.write_text(line(number))
        assert texts(follower.poll()) == [f"x: line {number}"]
        path.rename(path.with_name(f"agent.log.{number}"))
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    follower.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("folder_exists", [True, False])
def test_a_log_that_appears_is_followed_from_its_first_line(
    tmp_path: Path, folder_exists: bool
) -> None:
    path = tmp_path / "logs" / "agent.log"
    if folder_exists:
        path.parent.mkdir()
    follower = Follower(LogFile(path, "profile", "career"))
    assert follower.begin(whole=False) == []
    assert follower.poll() == []
    path.parent.mkdir(exist_ok=True)
    path.write_text(line(0) + line(1))
    assert texts(follower.poll()) == ["x: line 0", "x: line 1"]
    follower.close()


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_written_between_two_looks_is_there_once(
    path: Path, follower: Follower, whole: bool
) -> None:
    path.write_text(line(0) + line(1)[:15])
    found = texts(follower.begin(whole=whole))
    append(path, line(1)[15:] + line(2))
    found += texts(follower.poll()) + texts(follower.poll())
    assert found == ["x: line 0", "x: line 1", "x: line 2"]


def test_lines_that_come_later_belong_to_the_last_entry(path: Path, follower: Follower) -> None:
    error = "2026-01-02 03:04:05,124 ERROR [20260102_abc] [turn 1f0c2a9b] x: it failed\n"
    path.write_text(line(0) + error)
    begun = follower.begin(whole=False)[-1]
    append(path, "Traceback (most recent call last):\n")
    [later] = follower.poll()
    append(path, "ValueError: no\n" + line(3))
    last, new = follower.poll()
    assert [later.lines, last.lines] == [
        ["Traceback (most recent call last):"],
        ["ValueError: no"],
    ]
    for entry in (later, last):
        assert (entry.turn, entry.level, entry.time) == ("1f0c2a9b", "ERROR", begun.time)
        assert entry.first_line == "x: it failed"
    assert new.lines == [new.first_line] == ["x: line 3"]


def test_lines_without_an_entry_before_them_are_nobodys(path: Path, follower: Follower) -> None:
    path.write_text("no time at all\n")
    assert follower.begin(whole=False) == []
    append(path, "none here\n" + line(1))
    assert texts(follower.poll()) == ["x: line 1"]


def test_the_last_lines_of_a_large_log_are_whole_lines(path: Path, follower: Follower) -> None:
    size = 64  # so a line begins with the first byte of the tail
    count = 3 * TAIL_BYTES // 2 // size
    path.write_text("".join(line(n % 1000).strip().ljust(size - 1) + "\n" for n in range(count)))
    for found in (
        read(LogFile(path, "profile", "career"), whole=False),
        follower.begin(whole=False),
    ):
        assert len(found) == TAIL_BYTES // size
        assert texts(found)[-1].rstrip() == f"x: line {(count - 1) % 1000}"
    assert len(read(LogFile(path, "profile", "career"), whole=True)) == count


def test_the_last_line_is_read_although_it_has_no_end(path: Path) -> None:
    path.write_text(line(0) + line(1).rstrip())
    found = read(LogFile(path, "profile", "career"), whole=False)
    assert texts(found) == ["x: line 0", "x: line 1"]


def test_a_pipe_in_place_of_a_log_is_no_log(path: Path, follower: Follower) -> None:
    os.mkfifo(path)
    assert read(LogFile(path, "profile", "career"), whole=True) == []
    assert follower.begin(whole=False) + follower.poll() == []


def test_what_rotation_kept_is_read_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    for number, name in enumerate(["agent.log.2", "agent.log.1", "agent.log"]):
        (tmp_path / name).write_text(line(number))
    found = read(LogFile(path, "profile", "career"), whole=True)
    assert [entry.lines[0] for entry in found] == ["x: line 0", "x: line 1", "x: line 2"]


def test_a_file_that_is_rotated_while_it_is_read_counts_once(tmp_path: Path) -> None:
    path, first, second = (tmp_path / f"agent.log{ending}" for ending in ("", ".1", ".2"))
    path.write_text(line(1))
    first.hardlink_to(path)  # it moved after it was opened
    second.write_text(line(0))
    second.with_name("agent.log.3").hardlink_to(second)
    found = read(LogFile(path, "profile", "career"), whole=True)
    assert texts(found) == ["x: line 0", "x: line 1"]


def test_a_gateways_line_can_be_an_object(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    write_line(descriptor, "end", {"turn": "1f0c2a9b", "exit": "status 0"}, as_json=True)
    os.close(descriptor)
    [entry] = entries(path.read_text().splitlines(), "worker", "career")
    assert (entry.turn, entry.lines) == ("1f0c2a9b", ["end exit=status 0"])
