"""Tables in a terminal of 80 columns: what matters stays readable, and nothing is too wide."""

from __future__ import annotations

import importlib.util
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hermes_router.cli.commands import status, turns
from hermes_router.cli.terminal import columns, output, tables
from hermes_router.observe.figures import Today
from hermes_router.observe.status.messages import Configuration, Profile, Status, Worker
from hermes_router.turns.story import TurnReport

FORUM = "telegram:-1003961179976:6"
WIDE = "家族の予定帳"
NAMES = [WIDE, "career"]


def _worker(name: str, number: int) -> Worker:
    place = FORUM if name == WIDE else "matrix:!abcdefgh:example.org:$thread-event"
    return Worker(
        pid=4_194_300 + number,
        role="busy",
        turn="1f0c2a9b",
        place=place,
        phase="replying",
        age=83.4,
        memory=256_000_000,
        cpu=12.5,
    )


def _status() -> Status:
    profiles = [
        Profile(
            name=name,
            routes=12,
            concurrent_turns=4,
            workers=[_worker(name, number)],
            waiting=[83.4] * 12,
            today=Today(turns=1200, failed=15, median=12.5, p95=83.4),
        )
        for number, name in enumerate(NAMES)
    ]
    return Status(
        pid=4_194_299,
        home="/h",
        uptime=86.0,
        profiles=profiles,
        configuration=Configuration(file="config.yaml", routes=24, warm_profiles=8),
    )


def _turns() -> list[TurnReport]:
    failure = "the worker ended without an answer: it was killed by the system"
    return [
        TurnReport(turn="1f0c2a9b", profile=WIDE, place=FORUM, outcome="failed", error=failure),
        TurnReport(turn="2f0c2a9b", profile="career", place=FORUM, outcome="answered"),
    ]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what a table function writes into so many columns."""

    def show(write: Any, width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        write()
        return capsys.readouterr().out.splitlines()

    return show


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_tables_of_status_fit_the_terminal(shown: Any, width: int) -> None:
    lines = shown(lambda: status.show(_status()), width)
    assert [line for line in lines if cell_len(line) > width] == []


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_of_turns_fits_the_terminal(shown: Any, width: int) -> None:
    lines = shown(lambda: turns._show(_turns()), width)
    assert [line for line in lines if cell_len(line) > width] == []


def test_80_columns_show_where_each_worker_is_busy(shown: Any) -> None:
    lines = shown(lambda: status.show(_status()), 80)
    [head, first, second] = lines[-4:-1]
    assert head.split() == ["PROFILE", "PID", "ROLE", "TURN", "PLACE", "PHASE", "AGE"]
    assert first.split()[1:] == ["4194300", "busy", "1f0c2a9b", FORUM, "replying", "83.4", "s"]
    assert first.startswith("家族の予")
    assert second.split()[4].startswith("matrix:!abcdefgh:example.")
    assert lines[-1] == "this terminal is too narrow for: MEM, CPU"


def test_60_columns_still_show_the_place_of_a_worker(shown: Any) -> None:
    lines = shown(lambda: status.show(_status()), 60)
    assert FORUM in lines[-3]
    assert lines[-1] == "this terminal is too narrow for: PID, PHASE, MEM, CPU"


@pytest.mark.parametrize(("width", "place"), [(80, []), (100, ["PLACE"])])
def test_a_terminal_shows_how_long_each_turn_took_and_all_of_why_it_failed(
    shown: Any, width: int, place: list[str]
) -> None:
    (failed, answered), why = _turns(), "failed: the worker ended without an answer: it was killed"
    failed.seconds = 83.4
    lines = shown(lambda: turns._show([failed, answered]), width)
    assert lines[0].split() == ["TIME", "TURN", "PROFILE", *place, "TOOK", "OUTCOME"]
    assert (FORUM in lines[1], "83.4 s" in lines[1]) == (bool(place), True)
    start = lines[0].index("OUTCOME")
    end = next(number for number, line in enumerate(lines) if answered.turn in line)
    cells = [lines[1][lines[1].index("failed:") :], *(line[start:] for line in lines[2:end])]
    assert " ".join(cell.strip() for cell in cells) == f"{why} by the system"
    assert ("this terminal is too narrow for: PLACE" in lines) is not bool(place)


def test_short_outcomes_leave_room_for_the_place_of_each_turn(shown: Any) -> None:
    lines = shown(lambda: turns._show(_turns()[1:]), 80)
    assert FORUM in lines[1]
    assert len(lines) == 2


def test_a_wide_terminal_and_a_pipe_show_all(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = shown(lambda: status.show(_status()), 200)
    monkeypatch.delenv("COLUMNS")
    assert columns.room() > 10_000
    assert "too narrow" not in "".join(wide)
    assert "CPU" in wide[-3]


def test_the_cells_of_a_column_begin_below_each_other(shown: Any) -> None:
    lines = shown(lambda: tables.show(("A", "B"), [("家族", "x"), ("abc", "x"), ("é", "x")]), 80)
    assert {cell_len(line[: line.index("x")]) for line in lines[1:]} == {6}


def test_a_terminal_too_narrow_for_any_table_gets_records(shown: Any) -> None:
    lines = shown(lambda: tables.show(turns._HEAD, [("1", "t", "p", "x" * 40, "", "y")]), 30)
    assert lines == ["1  t", "    profile  p", f"    place    {'x' * 40}", "    outcome  y"]


def test_a_python_without_rich_gets_records(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    output.say_table(("ONE", "TWO", "THREE"), [("a", "b", "c")])
    assert capsys.readouterr().out == "a  b\n    three  c\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tables.show(("A",), [("good",), ("bad",)], styles=["", "red"])
    head, good, bad = terminal.getvalue().splitlines()
    assert (head[:5], good, bad[:8]) == ("\x1b[2mA", "good", "\x1b[31mbad")
    assert head.endswith("\x1b[0m")
    assert bad.endswith("\x1b[0m")
    monkeypatch.setenv("NO_COLOR", "1")
    tables.show(("A",), [("bad",)], styles=["red"])
    assert terminal.getvalue().endswith("A\nbad\n")


def test_what_is_in_a_cell_is_no_markup(shown: Any) -> None:
    assert shown(lambda: tables.show(("A",), [("[red]x[/red] :smile:",)]), 80)[1] == (
        "[red]x[/red] :smile:"
    )


#: Texts as cells hold them: one line, printable, also wide characters, and accents of their own.
_CELLS = st.text(st.sampled_from("ab -[]:家族é\u0301🙂"), max_size=12)


@given(rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), max_size=6), order=st.permutations([0, 1]))
def test_a_table_without_colours_is_the_one_with_colours(
    rows: list[tuple[str, str, str]], order: list[int]
) -> None:
    """Only the second is drawn by rich; its last column may be one whose cells are wrapped."""
    last = ["OUTCOME", "B"]
    head = ["A", "家", last[order[0]]]
    plain = columns.draw(head, rows, colour=False, whole=False)
    coloured = columns.draw(head, rows, colour=True, whole=False)
    assert plain is not None
    assert coloured is not None
    lines = [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in coloured.lines]
    assert plain.lines == lines
    assert len(lines) == 1 + len(rows)
