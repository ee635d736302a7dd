"""`/router` in a chat says who answers there and why, and the metrics are what a parser reads."""

from __future__ import annotations

import http.client
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


def printed(stage: Stage, *arguments: str) -> str:
    done = command(stage, "metrics", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetched(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=100)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.version) == (200, 11)
    return answer.read().decode()


@pytest.mark.parametrize("way", ["printed", "written", "fetched"])
def test_metrics_are_what_the_official_parser_reads(
    stage: Stage, tmp_path: Path, port: int, way: str
) -> None:
    stage.ask("count me", CAREER, contains="count me")
    stage.wait_answered(30)
    if way == "fetched":
        text = fetched(port)
    elif way == "printed":
        text = printed(stage)
    else:
        file = tmp_path / "hermes_router.prom"
        printed(stage, "--output", str(file))
        text = file.read_text() + "# EOF\n"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    turns = families["hermes_router_turns"].samples
    answered = [s for s in turns if s.labels == {"profile": "career", "outcome": "answered"}]
    assert answered[0].value >= 1
    assert families["hermes_router_phase_seconds"].type == "histogram"
    assert families["hermes_router_memory_bytes"].samples[0].value > 0
    documented = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
    assert all(f"`{name}" in documented for name in families)
