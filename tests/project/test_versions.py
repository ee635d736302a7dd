"""`make versions`: what it runs, and how it tells what came of it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tools import versions
from tests.tools.versions import table
from tests.tools.versions.scenarios import SCENARIOS, SMOKE
from tests.tools.versions.table import Outcome

ROOT = Path(versions.__file__).parents[3]

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


def test_both_tables_tell_of_a_failure() -> None:
    outcome = Outcome("0.22", hermes="0.22.2.post1")
    outcome.add(_REPORT.format(_case(SCENARIOS[SMOKE][0], "<failure />")))
    assert f"| {SMOKE} | **no** |" in table.markdown([outcome])
    assert "0.22.2.post1" in table.markdown([outcome])
    assert SCENARIOS[SMOKE][0] in table.plain([outcome])
