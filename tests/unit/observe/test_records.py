"""Records of turns: bounded, read in a second, and never worth a turn."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hermes_router.observe import records
from hermes_router.observe.records import Records
from hermes_router.turns.story import TurnReport


def report(number: int, **fields: object) -> TurnReport:
    at = datetime.fromtimestamp(1_700_000_000 + number, UTC).isoformat()
    given = {"turn": f"{number:08x}", "profile": "career", "outcome": "answered", "at": at}
    return TurnReport(**{**given, **fields})  # type: ignore[arg-type]


def test_ten_thousand_turns_answer_in_a_second(tmp_path: Path) -> None:
    kept = Records(tmp_path)
    for number in range(10_000):
        phases = dict.fromkeys(("queue", "start", "ready", "model_request", "reply"), 1.234)
        kept.add(report(number, phases=phases, place="telegram:-1003961179976:6"))
    begun = time.process_time()  # others may use the machine, too
    found = records.read(tmp_path)
    assert time.process_time() - begun < 1
    assert len(found) == 10_000


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


@pytest.mark.parametrize("name", ["../outside", "", "A b", "x" * 300])
def test_a_name_that_is_no_profiles_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "turns"
    Records(folder).add(report(1, profile=name, outcome="unusable"))
    assert [path.name for path in folder.iterdir()] == ["_.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["turns"]
