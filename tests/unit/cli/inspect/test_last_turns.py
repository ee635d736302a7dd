"""`doctor` and the turns: a routed profile whose last message got no answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.checks import last_turns
from hermes_router.cli.inspect.findings import Finding
from hermes_router.observe import records
from hermes_router.observe.records import Records
from hermes_router.turns.story import TurnReport


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "profiles" / "career").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(
        "profile_routes: [{platform: telegram, chat_id: 1, profile: career}]\n"
    )
    return tmp_path


def record(home: Path, turn: str, outcome: str, *, hours: float = 1.0, **more: str) -> None:
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
    given = {"profile": "career", **more}
    report = TurnReport(turn=turn, at=at, outcome=outcome, **given)  # type: ignore[arg-type]
    Records(records.folder_of(home)).add(report)


def found(home: Path) -> list[Finding]:
    return list(last_turns.look(loading.load(str(home), offline=True)))


def test_the_newest_turn_of_a_routed_profile_that_failed_is_a_warning(home: Path) -> None:
    record(home, "1a", "answered", hours=2)
    record(home, "2b", "model_failed", error="HTTP 401\x1b[2J: the key is wrong")
    record(home, "3c", "model_failed", profile="finance")
    (finding,) = found(home)
    assert (finding.check, finding.severity, finding.profile) == ("last-turn", "warning", "career")
    assert finding.what.startswith("its last turn, 2b at ")
    assert finding.what.endswith("failed: the model failed: HTTP 401\\x1b[2J: the key is wrong")
    assert finding.mend == f"hermes-router logs --turn 2b --home {home}"


def test_a_worker_that_failed_after_its_answer_is_told_with_its_error(home: Path) -> None:
    record(home, "1a", "answered", failure="the worker ended with status 3")
    assert found(home)[0].what.endswith(
        "failed: its worker failed after the answer: the worker ended with status 3"
    )


def test_a_failure_before_an_answer_and_one_of_days_ago_are_no_findings(home: Path) -> None:
    assert found(home) == []
    record(home, "1a", "timeout", hours=25)
    assert found(home) == []
    record(home, "2b", "timeout", hours=2)
    assert len(found(home)) == 1
    record(home, "3c", "answered", hours=1)
    assert found(home) == []
