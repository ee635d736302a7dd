"""The leak suite itself: a few of its rows, and what makes it fail. All of it: `make leaks`."""

from __future__ import annotations

import json
import re

import pytest

from hermes_router.protocol.system.versions import NEWEST_TESTED
from tests.kit.roots import ordinary_user
from tests.tools.leaks.__main__ import chosen, main
from tests.tools.leaks.row import IN_PROCESS, LOCAL, SANDBOX, Cell, Row, State, complaint
from tests.tools.leaks.rows import ROWS
from tests.tools.leaks.table import as_markdown

OBSTACLE = ordinary_user.obstacle()
ISOLATED, LEAKS = Cell(State.ISOLATED), Cell(State.LEAKS, "a marker")


LEAKING = ("E1c", "P2")
"""Quick rows that leak in-process on each Hermes that is tested."""


def a_row(**changes: object) -> Row:
    return Row(key="X0", what="a class", probe=lambda side: "", **changes)  # type: ignore[arg-type]


@pytest.mark.timeout(600)
@pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")
def test_some_rows_leak_in_process_and_not_through_the_router(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The rows are about alice's turns and bob's.
    status = main(["--only", ",".join(LEAKING), "--json", "--warm", "2"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["wrong"] == []
    assert status == 0
    for row in printed["rows"]:
        assert row["cells"][IN_PROCESS]["state"] == "leaks"
        assert row["cells"][LOCAL]["state"] == "isolated"
        assert row["cells"][SANDBOX]["state"] in {"isolated", "not applicable"}


def test_a_leak_through_the_router_makes_it_fail() -> None:
    assert complaint(a_row(), LOCAL, LEAKS) == "a leak: a marker"
    assert complaint(a_row(), LOCAL, ISOLATED) is None
    by_design = a_row(by_design={LOCAL: "the same user"})
    assert complaint(by_design, LOCAL, LEAKS) is None
    assert complaint(by_design, SANDBOX, LEAKS) == "a leak: a marker"
    assert "correct the row" in str(complaint(by_design, LOCAL, ISOLATED))


def test_a_known_leak_that_is_not_seen_makes_it_fail() -> None:
    assert "fix the probe" in str(complaint(a_row(), IN_PROCESS, ISOLATED))
    assert complaint(a_row(), IN_PROCESS, LEAKS) is None
    fixed = a_row(unseen="mended upstream")
    assert complaint(fixed, IN_PROCESS, ISOLATED) is None
    assert "says that there is none" in str(complaint(fixed, IN_PROCESS, LEAKS))


@pytest.mark.parametrize("hermes", ["0.18", "0.19", "0.19.0", "0.19.7"])
def test_where_hermes_leaked_it_must_still_be_seen(hermes: str) -> None:
    mended = a_row(leaked_until="0.19")
    assert complaint(mended, IN_PROCESS, LEAKS, hermes) is None
    assert "fix the probe" in str(complaint(mended, IN_PROCESS, ISOLATED, hermes))


@pytest.mark.parametrize("hermes", [NEWEST_TESTED, "0.22.2.post1", "0.23.0", "1.0"])
def test_where_hermes_mended_it_a_leak_makes_it_fail(hermes: str) -> None:
    mended = a_row(leaked_until="0.19")
    assert complaint(mended, IN_PROCESS, ISOLATED, hermes) is None
    assert "says that there is none" in str(complaint(mended, IN_PROCESS, LEAKS, hermes))


@pytest.mark.parametrize("hermes", ["0.20.6", "0.21.5"])
def test_where_nobody_looked_either_will_do_in_process_only(hermes: str) -> None:
    mended = a_row(leaked_until="0.19")
    assert complaint(mended, IN_PROCESS, LEAKS, hermes) is None
    assert complaint(mended, IN_PROCESS, ISOLATED, hermes) is None
    assert complaint(mended, LOCAL, LEAKS, hermes) == "a leak: a marker"


def test_the_table_says_which_hermes_leaks() -> None:
    mended = a_row(leaked_until="0.19")
    shown = as_markdown([mended], {"X0": {IN_PROCESS: ISOLATED, LOCAL: ISOLATED}})
    assert "| isolated: 0.19 leaks | isolated | not run |" in shown


def test_every_row_that_was_mended_names_a_hermes_and_no_other_reason() -> None:
    assert all(re.fullmatch(r"(\d+\.\d+)?", row.leaked_until) for row in ROWS)
    assert not [row.key for row in ROWS if row.leaked_until and row.unseen]


def test_a_probe_that_fails_makes_it_fail() -> None:
    failed = Cell(State.FAILED, "no answer")
    assert all(complaint(a_row(), side, failed) for side in (IN_PROCESS, LOCAL, SANDBOX))


def test_keys_are_unique_and_an_unknown_one_is_refused() -> None:
    keys = [row.key for row in ROWS]
    assert len(keys) == len(set(keys))
    with pytest.raises(SystemExit, match="no row Z9"):
        chosen("E1,Z9")
