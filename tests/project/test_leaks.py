"""The leak suite itself: a few of its rows, and what makes it fail. All of it: `make leaks`."""

from __future__ import annotations

import json

import pytest

from tests.kit.roots import ordinary_user
from tests.tools.leaks.__main__ import chosen, main
from tests.tools.leaks.row import IN_PROCESS, LOCAL, SANDBOX, Cell, Row, State, complaint
from tests.tools.leaks.rows import ROWS

OBSTACLE = ordinary_user.obstacle()
ISOLATED, LEAKS = Cell(State.ISOLATED), Cell(State.LEAKS, "a marker")


def a_row(**changes: object) -> Row:
    return Row(key="X0", what="a class", probe=lambda side: "", **changes)  # type: ignore[arg-type]


@pytest.mark.timeout(400)
@pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")
def test_some_rows_leak_in_process_and_not_through_the_router(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--only", "E1,E2", "--json"])
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
    assert "mend the row" in str(complaint(by_design, LOCAL, ISOLATED))


def test_a_known_leak_that_is_not_seen_makes_it_fail() -> None:
    assert "fix the probe" in str(complaint(a_row(), IN_PROCESS, ISOLATED))
    assert complaint(a_row(), IN_PROCESS, LEAKS) is None
    fixed = a_row(unseen="mended upstream")
    assert complaint(fixed, IN_PROCESS, ISOLATED) is None
    assert "has a reason for none" in str(complaint(fixed, IN_PROCESS, LEAKS))


def test_a_probe_that_fails_makes_it_fail() -> None:
    failed = Cell(State.FAILED, "no answer")
    assert all(complaint(a_row(), side, failed) for side in (IN_PROCESS, LOCAL, SANDBOX))


def test_keys_are_unique_and_an_unknown_one_is_refused() -> None:
    keys = [row.key for row in ROWS]
    assert len(keys) == len(set(keys))
    with pytest.raises(SystemExit, match="no row Z9"):
        chosen("E1,Z9")
