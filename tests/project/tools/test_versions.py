"""`make versions`: what it runs, and how it tells what came of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from hermes_router.protocol.system.versions import NEWEST_TESTED, untested
from tests.tools.versions import results, table
from tests.tools.versions.__main__ import _run
from tests.tools.versions.environments import ENVIRONMENTS, NEWEST_PYTHON, ROOT, columns
from tests.tools.versions.scenarios import REQUIRED, SCENARIOS, SMOKE
from tests.tools.versions.table import Outcome, Summary

_REPORT = """<testsuites><testsuite>
<testcase classname="tests.contract.seams.test_swap" name="test_one" />
<testcase classname="tests.contract.seams.test_swap" name="test_two[a]"><failure /></testcase>
<testcase classname="tests.contract.seams.test_swap" name="test_three"><skipped /></testcase>
{}</testsuite></testsuites>"""


def _case(test: str, inside: str = "") -> str:
    file, _, name = test.partition("::")
    classname = file.removesuffix(".py").replace("/", ".")
    return f'<testcase classname="{classname}" name="{name}">{inside}</testcase>\n'


def test_every_test_of_a_scenario_is_there() -> None:
    for tests in SCENARIOS.values():
        for test in tests:
            file, _, name = test.partition("::")
            text = (ROOT / file).read_text("utf-8")
            assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


def test_every_file_of_what_is_required_is_there() -> None:
    assert [file for file in REQUIRED if not (ROOT / file).is_file()] == []


def test_a_scenario_works_when_all_its_tests_pass() -> None:
    smoke = SCENARIOS[SMOKE]
    outcome = Outcome("0.22")
    outcome.add(_REPORT.format("".join(map(_case, smoke))))
    assert outcome.works(smoke)
    outcome.add(_REPORT.format(_case(smoke[-1], "<error />")))
    assert outcome.works(smoke) is False
    assert not outcome.good


def test_what_did_not_run_is_not_said_to_work() -> None:
    outcome = Outcome("0.22")
    outcome.add(_REPORT.format(""))
    row = {cells[0]: cells[1] for cells in table.rows([outcome])}
    assert row[SMOKE] == "-"
    assert row["tests of what Hermes has and does"] == "1 of 2"


def test_nothing_run_is_not_good() -> None:
    assert not Outcome("0.22").good
    assert not Outcome("0.22", passed={"a": True}, trouble="make setup HERMES=0.22 failed").good
    assert Outcome("0.22", passed={"a": True}).good


@pytest.mark.parametrize("status", [0, 1, 2, 5])
def test_a_run_that_was_interrupted_is_no_result(status: int) -> None:
    outcome = Outcome("0.22")
    _run(outcome, [sys.executable, "-c", f"import sys; sys.exit({status})"], [], 30)
    assert bool(outcome.trouble) == (status > 1)


def test_both_tables_tell_of_a_failure() -> None:
    outcome = Outcome("0.22", hermes="0.22.2.post1", python="3.14")
    outcome.add(_REPORT.format(_case(SCENARIOS[SMOKE][0], "<failure />")))
    assert SCENARIOS[SMOKE][0] in table.plain([outcome])
    row = table.markdown([outcome.summary()]).splitlines()[-1]
    wrong = f"{SMOKE}; tests/contract/seams/test_swap.py::test_two"
    assert row == f"| 0.22.2.post1 | 3.14 | 1 of 2 | 0 of 1 | {wrong} |"


def test_a_new_run_takes_the_place_of_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    monkeypatch.setattr(results, "README", page)
    monkeypatch.setattr(results, "columns", list)
    for python in ("3.14", "3.9"):
        results.write([Outcome("0.22", hermes="0.22.2", python=python)])
    worked = Outcome("0.22", hermes="0.22.2", python="3.9")
    worked.add(_REPORT.format(""))
    results.write([worked])
    shown = [line for line in page.read_text().splitlines() if line.startswith("| 0.22.2 |")]
    assert [line.split("|")[2:4] for line in shown] == [
        [" 3.9 ", " 1 of 2 "],
        [" 3.14 ", " not run "],
    ]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")


def test_a_run_of_a_part_leaves_the_rest_as_it_was() -> None:
    titles = list(SCENARIOS)
    earlier = Summary("0.22.2", "3.11", [3, 4], titles[:2], [titles[2], "tests/contract/a.py::b"])
    part = Summary("0.22.2", "3.11", [0, 0], [titles[2]], [titles[0]])
    after = part.over(earlier)
    assert after.contract == [3, 4]
    assert after.scenarios == titles[1:3]
    assert after.fails == [titles[0], "tests/contract/a.py::b"]
    mended = Summary("0.22.2", "3.11", [4, 4], [], []).over(after)
    assert (mended.contract, mended.fails) == ([4, 4], [titles[0]])


def test_a_version_that_was_not_run_is_shown_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results.json").write_text(json.dumps([table.not_run("0.9.1", "3.9").fields()]))
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    monkeypatch.setattr(results, "columns", lambda: [("0.9.1", ""), ("0.9.1", "3.14"), ("0.8", "")])
    shown = results.with_table(f"{results.BEGIN}{results.END}").splitlines()
    assert [line.split("|")[1:4] for line in shown if "not run" in line] == [
        [" 0.8 ", "  ", " not run "],
        [" 0.9.1 ", " 3.9 ", " not run "],
        [" 0.9.1 ", " 3.14 ", " not run "],
    ]


def test_the_columns_are_the_pinned_versions() -> None:
    pinned = re.findall(r'"hermes-agent(?:-iot)?==([^"]+)"', ENVIRONMENTS.read_text("utf-8"))
    assert columns() == [*((pin, "") for pin in pinned), (pinned[-1], NEWEST_PYTHON)]


def test_the_readme_tells_what_the_last_runs_gave() -> None:
    page = results.README.read_text("utf-8")
    assert results.with_table(page) == page, "run make versions ARGS=--write"


def test_the_table_has_its_place_in_the_readme() -> None:
    page = results.README.read_text("utf-8")
    before, _, rest = page.partition(results.BEGIN)
    assert before.rstrip().endswith("### Which Hermes")
    assert results.END in rest.partition("## ")[0]


def test_the_newest_tested_hermes_is_the_newest_that_tests_run_on() -> None:
    pinned = re.findall(r'"hermes-agent(?:-iot)?==([^"]+)"', ENVIRONMENTS.read_text("utf-8"))
    assert not any(map(untested, pinned))
    assert f"{NEWEST_TESTED}.post" in pinned[-1] or pinned[-1] == NEWEST_TESTED


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        ("0.22.2", False),
        ("0.22.2.post1", False),
        ("0.9.9", False),
        ("0.22.3", True),
        ("0.23", True),
        ("1.0.0", True),
        ("unknown", False),
        (None, False),
    ],
)
def test_a_hermes_is_untested_where_it_is_newer(version: str | None, newer: bool) -> None:
    assert untested(version) is newer
