"""The sentences of `status` on a terminal: words stay whole, and a pipe gets whole lines."""

from __future__ import annotations

import io
import re
import sys

import pytest

from hermes_router.base.errors import ConfigError, Problem
from hermes_router.cli.commands import status
from hermes_router.observe.status.messages import Configuration, Profile, Status
from hermes_router.turns.story import TurnReport

FILE = "/srv/hermes/profiles/writing/config.yaml"
CLOSED = "places of career: the profile has a home that cannot be written; /srv/hermes/x " * 2
UPDATED = "Hermes was updated on disk since this gateway started, so restart it when it is quiet"
HINT = "create it: HERMES_HOME=/srv/hermes hermes profile create carrier, or look at the routes"
PROBLEM = Problem(
    file=FILE,
    line=7,
    column=12,
    path="gateway.profile_routes",
    message="the profile 'carrier' does not exist, and so its places get a notice",
    hint=HINT,
    severity="unusable",
)
FAILURE = "HTTP 500: the provider answered that it has an internal error, and to try again later"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(now: Status, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of a status on a terminal of 80 columns, without colours."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    status.show(now)
    return re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()


def _status() -> Status:
    failure = TurnReport(turn="7d31e0c4", outcome="model_failed", error=FAILURE)
    rules = dict.fromkeys(("discord", "slack", "matrix", "irc"), "deny")
    configuration = Configuration(
        file=FILE,
        routes=2,
        unmatched="default",
        unmatched_platforms=rules,
        error=str(ConfigError([PROBLEM])),
        problems=[str(PROBLEM)],
    )
    return Status(
        pid=4_194_299,
        home="/h",
        uptime=86.0,
        configuration=configuration,
        closed=[CLOSED.strip()],
        updated=[UPDATED],
        profiles=[Profile(name="career", last_failure=failure)],
    )


def test_a_terminal_breaks_no_word_of_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _shown(_status(), monkeypatch)
    assert [line for line in lines if len(line) > 80] == [f"    {HINT}"] * 2  # to be copied
    folded = " ".join(" ".join(lines).split())
    for sentence in (CLOSED, UPDATED, PROBLEM.message, FAILURE, "slack: deny; matrix: deny"):
        assert " ".join(sentence.split()) in folded
    [closed] = [number for number, line in enumerate(lines) if line.startswith("closed: ")]
    assert lines[closed + 1].startswith(" " * len("closed: ") + "/srv/hermes/x places")


def test_a_terminal_breaks_no_word_of_why_routing_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = f"{FAILURE}, {FAILURE}"
    lines = _shown(Status(pid=1, home="/h", uptime=1.0, routing_closed=closed), monkeypatch)
    assert max(map(len, lines)) <= 80
    assert closed in " ".join(" ".join(lines).split())


def test_a_pipe_gets_each_sentence_as_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status.show(_status())
    lines = capsys.readouterr().out.splitlines()
    for line in (f"closed: {CLOSED.strip()}", UPDATED, f"configuration: {PROBLEM!s}"):
        assert line.partition("\n")[0] in lines
    assert any(line.endswith(f"turn 7d31e0c4: model failed: {FAILURE}") for line in lines)
