"""`/router` in a chat says who answers there and why, and the metrics are what a parser reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.gateway.conftest import CAREER, UNROUTED, Stage
from tests.gateway.operate.test_commands import command
from tests.gateway.operate.test_turn_records import wait_ended
from tests.kit import FORUM


def test_router_says_who_answers_here_and_why(stage: Stage) -> None:
    before = len(wait_ended(stage, "career", 0))
    stage.ask("a turn to tell of", CAREER, contains="a turn to tell of")
    turn = wait_ended(stage, "career", before + 1)[-1].turn
    told = stage.ask("/router", CAREER, contains="This place").text
    assert f"telegram:{FORUM}:{CAREER}" in told.replace("\\", "")
    assert re.search(r"profile career, by the route in config.*yaml, line \d+", told)
    assert turn in told
    assert len(wait_ended(stage, "career", 0)) == before + 1  # no worker was asked


def test_router_tells_how_to_route_a_place_that_has_no_route(stage: Stage) -> None:
    told = stage.ask("/router", UNROUTED, contains="This place").text.replace("\\", "")
    assert "the gateway's own profile" in told
    assert f"hermes-router route add telegram:{FORUM}:{UNROUTED} PROFILE" in told


@pytest.mark.parametrize("to_file", [False, True])
def test_metrics_are_what_the_official_parser_reads(
    stage: Stage, tmp_path: Path, to_file: bool
) -> None:
    stage.ask("count me", CAREER, contains="count me")
    stage.wait_answered(30)
    file = tmp_path / "hermes_router.prom"
    done = command(stage, "metrics", *(["--output", str(file)] if to_file else []))
    assert done.returncode == 0, done.stderr
    text = file.read_text() + "# EOF\n" if to_file else done.stdout
    families = {family.name: family for family in text_string_to_metric_families(text)}
    turns = families["hermes_router_turns"].samples
    answered = [s for s in turns if s.labels == {"profile": "career", "outcome": "answered"}]
    assert answered[0].value >= 1
    assert families["hermes_router_phase_seconds"].type == "histogram"
    assert families["hermes_router_memory_bytes"].samples[0].value > 0
    documented = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
    assert all(f"`{name}" in documented for name in families)
