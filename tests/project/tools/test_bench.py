"""The benchmark measures real turns of both sides, and its arithmetic is right."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import TOKEN, Call
from tests.kit.roots import ordinary_user
from tests.tools.bench import __main__ as bench
from tests.tools.bench import alone, chart, ledger, rounds, routing, sides, table
from tests.tools.bench.__main__ import FULL, _options, chosen
from tests.tools.bench.figures import FIGURES, first_turn, throughput, warm_turn
from tests.tools.bench.processes import cpu_seconds, memory, tree
from tests.tools.bench.rounds import Measured, Plan, Results, expected
from tests.tools.bench.stage import Stage
from tests.tools.bench.summary import Compared, compare, median, p95, percentile, steps

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.timeout(600)
def test_the_benchmark_measures_both_sides() -> None:
    arguments = ["--only", "1,3", "--starts", "1", "--rounds", "1", "--turns", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.bench", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [figure["number"] for figure in found["figures"]] == ["3", "1", "1"]
    for figure in found["figures"]:
        assert set(figure["samples"]) == {sides.A, sides.B}
        for row in figure["rows"].values():
            assert row["a"] > 0
            assert row["b"] > 0
            assert row["ratio"] > 0
    assert set(found["phases"][0]) >= {"start", "ready", "model_request", "reply", "gone"}


def test_a_setup_in_which_a_turn_is_not_answered_costs_only_its_own_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails_unbatched(
        group: list[Measured], _start: int, _plan: Plan, _results: Results, _progress: object
    ) -> None:
        if group[0].figure.setup is sides.UNBATCHED:
            raise TimeoutError("no such call")
        for measured in group:
            for side in (sides.A, sides.B):
                measured.rounds[side].append({"before": [1.0], "after": [1.0]})

    monkeypatch.setattr(rounds, "_with_gateways", fails_unbatched)
    file = tmp_path / "bench.json"
    assert bench.main(["--only", "1", "--json", str(file)]) == 1
    shown, errors = capsys.readouterr()
    assert "unbatched: no such call" in errors
    titles = [figure["title"] for figure in json.loads(file.read_text("utf-8"))["figures"]]
    assert titles == ["warm turn", "warm turn, no batching"]
    assert "1.00" in shown, "what was measured is printed"


@pytest.mark.parametrize(
    ("setup", "method", "shows"),
    [
        (sides.SHIPPED, "sendMessage", True),
        (sides.SHIPPED, "editMessageText", False),
        (sides.BUSY, "sendMessage", True),
        (sides.BUSY, "editMessageText", True),
        (sides.BUSY, "sendChatAction", False),
    ],
)
def test_a_streamed_answer_may_be_complete_with_an_edit(
    setup: sides.Setup, method: str, shows: bool
) -> None:
    call = Call(1, 0.0, TOKEN, method, {"text": "echo: message 00001"})
    assert Stage(sides.B, setup)._shows("message 00001")(call) is shows
    assert not Stage(sides.B, setup)._shows("message 00002")(call)


# -- arithmetic ----------------------------------------------------------------------------------


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    found = compare([[1.0], [2.0], [4.0]], [[2.0], [2.0], [2.0]], median)
    assert found == Compared(a=2.0, b=2.0, ratio=1.0, low=0.5, high=2.0, rounds=3)


def test_each_round_is_summarised_by_itself() -> None:
    found = compare([[1.0, 2.0, 9.0]], [[4.0, 4.0, 5.0]], median)
    assert (found.a, found.b, found.ratio) == (2.0, 4.0, 2.0)


@pytest.mark.parametrize("a", [[[]], [[0.0]], []])
def test_without_a_value_to_compare_with_there_is_no_ratio(a: list[list[float]]) -> None:
    found = compare(a, [[1.0]], median)
    assert (found.b, found.ratio, found.low, found.high) == (1.0, None, None, None)


def test_p95_is_a_value_that_was_measured() -> None:
    assert percentile(range(1, 21), 95) == 19
    assert percentile(range(1, 101), 95) == 95
    assert p95([7.0]) == 7.0


def test_phases_by_themselves_add_up() -> None:
    phases = {"start": 0.1, "ready.import": 0.5, "ready": 1.0, "reply": 3.0, "gone": 3.5}
    assert steps(phases) == pytest.approx({"start": 0.1, "ready": 0.9, "reply": 2.0, "gone": 0.5})
    assert steps({}) == {}


# -- the registry --------------------------------------------------------------------------------


def test_titles_and_labels_are_unique() -> None:
    assert len({figure.title for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert len({row.label for row in figure.rows}) == len(figure.rows)


def test_the_first_turn_after_a_start_is_measured_first() -> None:
    for figure in (first_turn.PREPARED, first_turn.COLD):
        of_setup = [other for other in FIGURES if other.setup is figure.setup]
        assert of_setup[0] is figure
        assert figure.once


NUMBERS = {
    "1",
    "1b",
    "1p",
    "2",
    "3",
    "3b",
    "3c",
    "3d",
    "3e",
    "4",
    "5",
    "5c",
    "6",
    "7",
    "8",
    "9",
    "10",
}


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ([], NUMBERS),
        (["--quick"], {"1", "2", "3"}),
        (["--only", "8"], {"8"}),
        (["--routing"], set()),
        (["--alone"], set()),
    ],
)
def test_which_figures_are_measured(arguments: list[str], numbers: set[str]) -> None:
    assert {figure.number for figure in chosen(_options(arguments))} == numbers


def test_how_long_it_will_take_grows_with_what_is_measured() -> None:
    least = expected(FIGURES, Plan(starts=1, rounds=1, turns=1))
    assert expected(FIGURES, FULL) < 60 * 60
    assert expected(FIGURES, Plan(starts=1, rounds=2, turns=1)) > least
    assert expected([warm_turn.SHIPPED], Plan(starts=1, rounds=1, turns=1)) < least / 4


# -- showing -------------------------------------------------------------------------------------


def _results() -> Results:
    measured = Measured(warm_turn.SHIPPED)
    for side, seconds in ((sides.A, 0.2), (sides.B, 0.3)):
        one = {"total": [seconds], "before": [seconds / 2], "after": [seconds / 2]}
        measured.rounds[side] = [one, one]
    return Results([measured], [{"start": 0.01, "model_request": 0.11}])


def test_the_table_shows_both_sides_the_ratio_and_the_target() -> None:
    text = table.as_text(_results(), [])
    line = next(line for line in text.splitlines() if "both, median" in line)
    assert line.endswith("1.50  1.50 to 1.50       2  <= 1.0")
    assert "model_request" in text


def test_what_was_not_measured_leaves_no_trace() -> None:
    assert table.as_text(Results([]), []) == ""
    unmeasured = table.as_text(Results([Measured(warm_turn.SHIPPED)]), [])
    assert "warm turn: both, median" in unmeasured


def test_the_chart_marks_targets_and_what_is_better_higher() -> None:
    measured = Measured(throughput.INSTANT)
    for side, rate in ((sides.A, 2.0), (sides.B, 3.0)):
        measured.rounds[side] = [{measured.figure.rows[0].series: [rate]}]
    shown = chart.as_svg([measured])
    assert shown.count("#c03030") == sum(bool(row.target) for row in measured.figure.rows)
    assert "turns per second ↑" in shown
    assert "1.50" in shown


@pytest.mark.parametrize("show", [chart.as_svg, lambda figures: chart.as_svg(list(figures) * 3)])
def test_the_chart_is_well_formed(show: Callable[[list[Measured]], str]) -> None:
    root = ET.fromstring(show(_results().figures))
    assert root.tag.endswith("svg")
    assert "1.50" in [text.text for text in root.iter() if text.tag.endswith("text")]


# -- what it reads -------------------------------------------------------------------------------


def test_the_dispatcher_alone_is_compared_with_a_bare_exchange() -> None:
    lines = alone.measure(calls=50, turns=1, rounds=1, many=8)
    assert {line.number for line in lines} == {"9", "11", "12"}
    found = {line.what: line for line in lines}
    turn, document = found["CPU per turn"], found["a 20 MB document out"]
    assert all(value for line in (turn, document) for value in (line.bare, line.router))
    assert 0 < found["frames held in the gateway"].router <= 3
    text = table.as_text(Results([]), [], lines)
    assert "a 20 MB document out" in text


def test_the_ledger_is_compared_with_one_line_that_is_synced() -> None:
    entering, later = ledger.measure(5)
    assert all(value for value in (entering.bare, entering.router, later.router))
    text = table.as_text(Results([]), [], [entering, later])
    assert "entering a message in the ledger" in text


def test_finding_a_route_is_timed_for_each_size() -> None:
    timings = routing.measure((10, 100))
    assert [timing.size for timing in timings] == [10, 100]
    assert all(timing.match > 0 for timing in timings)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_tree_counts_what_its_dead_children_used() -> None:
    script = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])\n"
        "print(flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_seconds(process.pid) > 0.1
        assert tree(process.pid) == [process.pid]
        found = memory([process.pid])
        assert found is not None
        assert 1 < found.private <= found.pss + 1
        process.communicate(b"\n")


_READ_CLOSED = """
import subprocess, sys
from tests.tools.bench import processes
closed = "import ctypes; ctypes.CDLL(None).prctl(4, 0); print(); input()"
command = [sys.executable, "-c", closed]
for line in (command, processes.open_to_their_user(command)):
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        print(processes.memory([process.pid]) is not None)
        process.stdin.close()
"""


def test_memory_is_measured_without_root_too() -> None:
    """A process that is closed to its user, as templates are, is open to who owns its namespace."""
    if (obstacle := ordinary_user.obstacle()) is not None:
        pytest.skip(f"NOT SHOWN: {obstacle}")
    command = ordinary_user.as_ordinary_user([sys.executable, "-c", _READ_CLOSED])
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stdout.split() == ["False", "True"]
