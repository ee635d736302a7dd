"""Three kinds of logs are read as one, also while they are rotated."""

from __future__ import annotations

import os
from pathlib import Path

from hermes_router.observe.log_files import Follower, LogFile, read
from hermes_router.observe.log_lines import entries
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


def line(number: int) -> str:
    return f"2026-01-02 03:04:05,{number:03d} INFO x: line {number}\n"


def texts(follower: Follower) -> list[str]:
    return [entry.lines[0] for entry in follower.poll()]


def test_following_loses_nothing_in_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_text(line(0))
    follower = Follower(LogFile(path, "profile", "career"))
    assert texts(follower) == []
    with path.open("a") as file:
        file.write(line(1) + line(2)[:10])
        file.flush()
        assert texts(follower) == ["x: line 1"]
        file.write(line(2)[10:] + line(3))
    path.rename(tmp_path / "agent.log.1")
    path.write_text(line(4))
    assert texts(follower) == ["x: line 2", "x: line 3", "x: line 4"]
    path.write_text("")  # cut off in its place
    assert texts(follower) == []
    path.write_text(line(5))
    assert texts(follower) == ["x: line 5"]
    follower.close()


def test_what_rotation_kept_is_read_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    for number, name in enumerate(["agent.log.2", "agent.log.1", "agent.log"]):
        (tmp_path / name).write_text(line(number))
    found = read(LogFile(path, "profile", "career"), whole=True)
    assert [entry.lines[0] for entry in found] == ["x: line 0", "x: line 1", "x: line 2"]


def test_a_gateways_line_can_be_an_object(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    write_line(descriptor, "end", {"turn": "1f0c2a9b", "exit": "status 0"}, as_json=True)
    os.close(descriptor)
    [entry] = entries(path.read_text().splitlines(), "worker", "career")
    assert (entry.turn, entry.lines) == ("1f0c2a9b", ["end exit=status 0"])
