"""`/router` in a chat says who answers there and why, and the metrics are what a parser reads."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
from pathlib import Path

import pytest
from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics

from tests.gateway.conftest import CAREER, MISSING, UNROUTED, Stage
from tests.gateway.operate.test_commands import command
from tests.gateway.operate.test_turn_records import wait_ended
from tests.kit import FORUM, Reply


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
    home = f"--home {stage.root.path}"
    assert f"hermes-router route add telegram:{FORUM}:{UNROUTED} PROFILE {home}" in told


def test_router_says_why_nobody_can_answer(stage: Stage) -> None:
    told = stage.ask("/router", MISSING, contains="This place").text.replace("\\", "")
    assert "Nobody can answer now: the profile does not exist; " in told
    assert "Worker:" not in told


def crash_a_worker(stage: Stage) -> str:
    """Kill the worker of a turn that waits for the model; return the notice in the chat."""
    hold, seen, seq = threading.Event(), stage.model.seq, stage.telegram.seq
    stage.model.script(Reply("too late", hold=hold), contains="crash in this turn", times=1)
    stage.telegram.say("crash in this turn", chat_id=FORUM, thread_id=CAREER)
    try:
        stage.model.wait_for(
            lambda request: "crash in this turn" in str(request.messages), after=seen, timeout=150
        )
        os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
        notice = stage.telegram.wait_reply(FORUM, CAREER, contains="⚠️", after=seq, timeout=150)
    finally:
        hold.set()
    return notice.text.replace("\\", "")


def test_the_id_in_a_notice_of_the_chat_finds_the_turns_log(stage: Stage) -> None:
    before = restarts(stage)
    notice = crash_a_worker(stage)
    told = re.search(r"\[([0-9a-f]{8})\]$", notice)
    assert told, notice
    done = command(stage, "logs", "--turn", told[1])
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {"gateway", "career/worker"} <= {source for _, _, _, source, *_ in lines}
    assert {turn for _, _, turn, *_ in lines} == {told[1]}
    assert restarts(stage) == before + 1


def restarts(stage: Stage) -> int:
    """Return how many processes of career ended unexpectedly, by the gateway's metrics."""
    found = re.search(
        r'^hermes_router_restarts_total{profile="career"} (\d+)$', printed(stage), re.MULTILINE
    )
    assert found
    return int(found[1])


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
    parse = openmetrics.text_string_to_metric_families
    if way == "fetched":
        text = fetched(port)
    elif way == "printed":
        text = printed(stage)
    else:
        file = tmp_path / "hermes_router.prom"
        printed(stage, "--output", str(file))
        text, parse = file.read_text(), classic.text_string_to_metric_families
    families = {family.name: family for family in parse(text)}
    assert families["hermes_router_turns"].type == "counter"
    turns = families["hermes_router_turns"].samples
    answered = [s for s in turns if s.labels == {"profile": "career", "outcome": "answered"}]
    assert answered[0].value >= 1
    assert families["hermes_router_phase_seconds"].type == "histogram"
    assert families["hermes_router_memory_bytes"].samples[0].value > 0
    documented = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
    assert set(re.findall(r"^\| `(hermes_router_\w+)`", documented, re.MULTILINE)) == set(families)
