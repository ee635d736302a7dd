"""Records of turns: bounded, read in a second, and never worth a turn."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hermes_router.observe import records
from hermes_router.observe.book import TurnBook
from hermes_router.observe.records import Records
from hermes_router.turns.story import FAILED, OUTCOMES, TurnReport
from tests.kit.outside.mounts import mounted


def report(number: int, **fields: object) -> TurnReport:
    at = datetime.fromtimestamp(1_700_000_000 + number, UTC).isoformat()
    given = {"turn": f"{number:08x}", "profile": "career", "outcome": "answered", "at": at}
    return TurnReport(**{**given, **fields})  # type: ignore[arg-type]


def add_turn(kept: Records, number: int) -> None:
    """Record a turn as a gateway does: when its answer is delivered, and when its worker ended."""
    names = ("queue", "start", "ready.import", "ready.build", "ready", "model_request", "reply")
    answered = report(
        number,
        place="telegram:-1003961179976:6",
        route="gateway.profile_routes.telegram.-1003961179976.6",
        session="agent:main:telegram:group:-1003961179976:6",
        hermes_session="20261129_214727_19f09835",
        start="prepared",
        messages=1,
        model="anthropic/claude-sonnet-4.5",
        provider="openrouter",
        calls=3,
        input_tokens=44619,
        output_tokens=1204,
        cost=0.151917,
        seconds=13.032,
        phases=dict.fromkeys(names, 1.234),
    )
    kept.add(answered)
    phases = {**answered.phases, "gone": 13.184}
    kept.add(msgspec.structs.replace(answered, phases=phases, exit="status 0"))


def test_one_file_holds_ten_thousand_turns_and_is_read_in_a_second(tmp_path: Path) -> None:
    kept = Records(tmp_path)
    for number in range(10_000):
        add_turn(kept, number)
    [path] = tmp_path.iterdir()  # so a rotation leaves as many
    assert path.stat().st_size / 20_000 > 600  # the records are as long as real ones
    begun = time.process_time()  # others may use the machine, too
    found = records.read(tmp_path)
    assert time.process_time() - begun < 1
    assert len(found) == 10_000
    assert all(turn.exit == "status 0" for turn in found)


def test_turns_from_a_time_on_can_be_read_alone(tmp_path: Path) -> None:
    kept = Records(tmp_path)
    for number in range(4):
        kept.add(report(number))
    kept.add(report(9, at="no time"))
    earliest = datetime.fromtimestamp(1_700_000_002, UTC)
    found = records.read(tmp_path, earliest=earliest)
    assert [turn.turn for turn in found] == ["00000002", "00000003"]
    assert len(records.read(tmp_path)) == 5


def test_the_later_line_of_a_turn_is_its_record(tmp_path: Path) -> None:
    kept = Records(tmp_path)
    kept.add(report(1, seconds=2.0))
    kept.add(report(2))
    kept.add(report(1, seconds=2.0, exit="status 0"))
    first, second = records.read(tmp_path)
    assert (first.turn, first.exit, second.exit) == ("00000001", "status 0", None)


def test_the_oldest_records_go_when_there_are_too_many(tmp_path: Path) -> None:
    kept = Records(tmp_path, max_bytes=10_000)
    for number in range(1000):
        kept.add(report(number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 21_000
    found = records.read(tmp_path, "career")
    assert found[-1].turn == f"{999:08x}"
    assert len(found) > 50


def test_a_damaged_line_costs_its_own_record_only(tmp_path: Path) -> None:
    kept = Records(tmp_path)
    kept.add(report(1))
    with (tmp_path / "career.jsonl").open("ab") as file:
        file.write(b'{"turn": "cut o\n\xff\n')
    kept.add(report(2))
    assert [found.turn for found in records.read(tmp_path)] == ["00000001", "00000002"]


def test_what_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "career.jsonl").mkdir()
    kept = Records(tmp_path)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            kept.add(report(number))
    assert caplog.text.count("turns cannot be recorded") == 1


#: Records a turn in a process whose files have a limited size: the system then writes a part only.
_LIMITED = """
import resource, sys
from pathlib import Path
import msgspec
from hermes_router.observe.records import Records
from hermes_router.turns.story import TurnReport
folder, size, report = sys.argv[1:]
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), most))
Records(Path(folder)).add(msgspec.json.decode(report, type=TurnReport))
"""


@pytest.mark.parametrize("room", [0, 1, 60, -1])
def test_a_record_that_was_cut_off_costs_that_record_only(tmp_path: Path, room: int) -> None:
    """``room`` is how many bytes of the second record are written; -1 is all but its newline."""
    kept, path = Records(tmp_path), tmp_path / "career.jsonl"
    kept.add(report(1))
    record_size = path.stat().st_size
    limit = record_size + room % record_size
    report_json = msgspec.json.encode(report(2)).decode()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path), str(limit), report_json],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stderr.count("turns cannot be recorded: ") == 1
    assert path.stat().st_size == limit
    kept.add(report(3))
    kept.add(report(4))
    found = [turn.turn for turn in records.read(tmp_path)]
    complete = ["00000002"] if room == -1 else []
    assert found == ["00000001", *complete, "00000003", "00000004"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, ("-t", "tmpfs", "-o", "size=64k", "small")):
        yield folder


def test_a_full_disk_costs_records_and_no_turns(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, filler = small_disk / "turns", small_disk / "filler"
    heard: list[str] = []
    book = TurnBook(Records(folder), lambda _place: "")
    book.listen(lambda turn: heard.append(turn.turn))
    book.note(report(0), None)
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with caplog.at_level(logging.INFO):
        for number in range(1, 100):
            book.note(report(number), None)
    assert len(heard) == 100
    assert "turn 00000063 " in caplog.text  # the line about the last turn
    assert caplog.text.count("turns cannot be recorded: [Errno 28]") == 1
    filler.unlink()
    book.note(report(100), None)
    found = [turn.turn for turn in records.read(folder)]
    assert found[0] == "00000000"
    assert found[-1] == "00000064"
    assert 2 < len(found) < 100


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_turn_without_the_answer_is_a_warning_unless_the_turn_has_logged_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, outcome: str
) -> None:
    with caplog.at_level(logging.INFO):
        TurnBook(Records(tmp_path), lambda _place: "").note(report(1, outcome=outcome), None)
    [line] = caplog.records
    assert OUTCOMES[outcome] in line.message
    by_the_turn = {"start_failed", "timeout", "limit", "worker_failed"}
    warns = outcome in FAILED - by_the_turn
    assert line.levelno == (logging.WARNING if warns else logging.INFO)


@pytest.mark.parametrize("name", ["../outside", "", "A b", "x" * 300])
def test_a_name_that_is_no_profiles_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "turns"
    Records(folder).add(report(1, profile=name, outcome="unusable"))
    assert [path.name for path in folder.iterdir()] == ["_.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["turns"]


def test_the_line_of_a_joined_answer_counts_its_messages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for messages in (1, 3):
            TurnBook(Records(tmp_path), lambda _place: "").note(
                report(messages, messages=messages, outcome="answered", seconds=2.0), None
            )
    one, three = caplog.messages
    assert one.endswith(": answered in 2.00 s")
    assert three.endswith(": answered in 2.00 s, 3 messages")
