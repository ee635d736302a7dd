"""`hermes-router turns`: which turns it lists, what it says without any, and what it costs."""

from __future__ import annotations

import shlex
import statistics
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hermes_router.observe import records
from hermes_router.observe.records import Records
from hermes_router.turns.story import TurnReport
from tests.cli.conftest import CHAT, Installation, processor_seconds


def turn(name: str, *, ago: float = 0.0, **fields: object) -> TurnReport:
    """Return the report of a turn that ended ``ago`` minutes before now, answered unless said."""
    at = datetime.now(UTC) - timedelta(minutes=ago)
    given = {"profile": "career", "outcome": "answered", "seconds": 1.0, "exit": "status 0"}
    return TurnReport(turn=name, at=at.isoformat(timespec="milliseconds"), **{**given, **fields})  # type: ignore[arg-type]


def record(installation: Installation, *turns: TurnReport) -> None:
    kept = Records(records.folder_of(installation.home))
    for report in turns:
        kept.add(report)


def listed(installation: Installation, *arguments: str) -> list[str]:
    """Return the ids that the command lists; its table and its JSON list the same."""
    found = installation.run("turns", *arguments, "--json").json["turns"]
    shown = installation.run("turns", *arguments)
    assert (shown.status, shown.err) == (0, "")
    rows = shown.out.splitlines()[1:] if found else []
    ids = [str(report["turn"]) for report in found]
    assert len(rows) == len(ids)
    assert all(name in row for name, row in zip(ids, rows, strict=True))
    return ids


#: The outcomes of turns; True if the person did not get an answer, or the worker failed after it.
OUTCOMES = {
    **dict.fromkeys(("answered", "interrupted", "stopped"), False),
    **dict.fromkeys(("model_failed", "no_model", "start_failed", "timeout", "limit"), True),
    **dict.fromkeys(("worker_failed", "hermes_failed", "router_failed", "cut_off"), True),
    **dict.fromkeys(("unusable", "refused", "job_failed"), True),
}


def test_failed_lists_the_turns_that_failed_and_no_other(installation: Installation) -> None:
    turns = [turn(name, ago=30 - n, outcome=name) for n, name in enumerate(OUTCOMES)]
    late = turn("answered-then-failed", failure="the worker ended with status 3")
    record(installation, *turns, late)
    failed = [*(name for name, is_failed in OUTCOMES.items() if is_failed), late.turn]
    assert listed(installation, "--failed") == failed
    assert listed(installation) == [*OUTCOMES, late.turn]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ((), ["20s", "none", "10s", "9s", "30s", "2s"]),
        (("--slow",), ["10s", "20s", "30s"]),
        (("--slow", "9.5"), ["10s", "20s", "30s"]),
        (("--slow", "9"), ["9s", "10s", "20s", "30s"]),
        (("--slow", "25"), ["30s"]),
        (("--slow", "9", "-n", "2"), ["20s", "30s"]),
        (("--slow", "31"), []),
    ],
)
def test_slow_lists_the_turns_that_took_so_long_the_slowest_last(
    installation: Installation, option: tuple[str, ...], expected: list[str]
) -> None:
    seconds = {"20s": 20.0, "none": None, "10s": 10.0, "9s": 9.0, "30s": 30.0, "2s": 2.0}
    turns = [turn(name, ago=10 - n, seconds=s) for n, (name, s) in enumerate(seconds.items())]
    record(installation, *turns)
    assert listed(installation, *option) == expected


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (
            {"queue": 8.0, "start": 0.1, "ready": 0.2, "reply": 20.2},
            "model and tools 20.0 s, queue 8.0 s",
        ),
        (
            {"start": 0.5, "ready": 4.0, "model_request": 6.0, "reply": 7.0},
            "start 4.0 s, request 2.0 s, model and tools 1.0 s",
        ),
        ({"queue": 12.0}, "queue 12.0 s"),
        ({}, ""),
    ],
)
def test_slow_says_what_the_time_was_spent_on(
    installation: Installation, phases: dict[str, float], expected: str
) -> None:
    record(installation, turn("late", seconds=30.0, phases=phases), turn("later", seconds=40.0))
    head, late, later = installation.run("turns", "--slow").out.splitlines()
    assert "SPENT ON" in head
    assert late.endswith(f"30.0 s  {expected}  answered" if expected else "  answered")
    assert later.split()[-3:] == ["40.0", "s", "answered"]
    assert "SPENT ON" not in installation.run("turns").out


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2d", ["a-day", "hours", "minutes", "now"]),
        ("3h", ["hours", "minutes", "now"]),
        ("20m", ["minutes", "now"]),
        ("5m", ["now"]),
        ("2999-01-01", []),
    ],
)
def test_since_leaves_out_what_is_older(
    installation: Installation, since: str, expected: list[str]
) -> None:
    ages = {"a-day": 1500.0, "hours": 150.0, "minutes": 15.0, "now": 0.0}
    record(installation, *(turn(name, ago=ago) for name, ago in ages.items()))
    assert listed(installation, "--since", since) == expected


def test_filters_are_joined(installation: Installation) -> None:
    record(
        installation,
        turn("old", ago=90, outcome="timeout", seconds=60.0),
        turn("other", ago=9, outcome="timeout", seconds=60.0, profile="finance"),
        turn("quick", ago=8, outcome="timeout", seconds=1.0),
        turn("answered", ago=7, seconds=60.0),
        turn("wanted", ago=6, outcome="timeout", seconds=60.0),
    )
    options = ("--profile", "career", "--failed", "--slow", "--since", "1h")
    assert listed(installation, *options) == ["wanted"]


@pytest.mark.parametrize(
    "filters",
    [
        ("--failed",),
        ("--slow",),
        ("--since", "1m"),
        ("--failed", "--slow", "1000", "--since", "1m"),
        ("--profile", "career", "--failed"),
    ],
)
def test_filters_that_nothing_matches_name_the_next_command(
    installation: Installation, filters: tuple[str, ...]
) -> None:
    record(installation, turn("1f0c2a9b", ago=30), turn("7d31e0c4", ago=20, profile="finance"))
    shown = installation.run("turns", *filters)
    assert (shown.status, shown.err) == (0, "")
    names = " ".join(word for word in filters if word in {"--failed", "--slow", "--since"})
    assert f"no recorded turn matches {names}; to list the last turns: " in shown.out
    command = shlex.split(shown.out.rpartition(": ")[2])
    assert command[0] == "hermes-router"
    expected = ["1f0c2a9b"] if "--profile" in filters else ["1f0c2a9b", "7d31e0c4"]
    assert listed(installation, *command[2:]) == expected


def test_the_next_command_is_about_the_same_home(installation: Installation) -> None:
    record(installation, turn("1f0c2a9b"))
    elsewhere = installation.environ(HERMES_HOME=str(installation.base))
    shown = installation.run(
        *("turns", "--failed", "--home", str(installation.home)), env=elsewhere
    )
    assert shown.out.rstrip().endswith(f": hermes-router turns --home {installation.home}")


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ((), "hermes-router test-route PLACE"),
        (("--failed",), "hermes-router test-route PLACE"),
        (("--profile", "career"), "hermes-router routes"),
    ],
)
def test_without_any_turn_the_next_command_is_about_routes(
    installation: Installation, options: tuple[str, ...], command: str
) -> None:
    shown = installation.run("turns", *options)
    assert shown.status == 0
    assert shown.out.rstrip().endswith(f": {command}")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("carer", "TIP: did you mean 'career'? profiles: career, default, finance\n"),
        ("zzz", "TIP: profiles: career, default, finance\n"),
        ("../career", "TIP: did you mean 'career'? profiles: career, default, finance\n"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--failed",), ("--json",)])
def test_a_name_that_no_profile_has_is_a_wrong_command_line(
    installation: Installation, name: str, hint: str, more: tuple[str, ...]
) -> None:
    record(installation, turn("1f0c2a9b"))
    shown = installation.run("turns", "--profile", name, *more)
    assert (shown.status, shown.out) == (2, "")
    assert shown.err == f"ERROR: there is no profile {name!r}\n{hint}"


def test_a_profile_that_was_removed_still_has_its_turns(installation: Installation) -> None:
    record(installation, turn("1f0c2a9b", profile="removed"))
    assert listed(installation, "--profile", "removed") == ["1f0c2a9b"]
    shown = installation.run("turns", "--profile", "removed", "--failed")
    assert (shown.status, "no recorded turn matches" in shown.out) == (0, True)


#: What one may ask of the records; without options, the last twenty turns are listed.
QUESTIONS = (
    (),
    ("--failed",),
    ("--slow", "0.5"),
    ("--since", "30d"),
    ("--profile", "career", "--json"),
    ("-n", "0"),
    ("-n", "0", "--json"),
)


def test_ten_thousand_turns_are_answered_in_a_second(installation: Installation) -> None:
    """The whole command counts, with its start: the median of three, as processor time."""
    fields: dict[str, object] = {
        "place": f"telegram:{CHAT}:6",
        "route": f"gateway.profile_routes.telegram.{CHAT}.6",
        "session": f"agent:main:telegram:group:{CHAT}:6",
        "hermes_session": "20261129_214727_19f09835",
        "start": "prepared",
        "model": "anthropic/claude-sonnet-4.5",
        "provider": "openrouter",
        "calls": 3,
        "input_tokens": 44619,
        "output_tokens": 1204,
        "cost": 0.151917,
        "phases": dict.fromkeys(("queue", "start", "ready", "model_request", "reply"), 1.234),
    }
    for number in range(10_000):
        answered = turn(f"{number:08x}", ago=10_000 - number, exit=None, **fields)
        record(installation, answered, turn(answered.turn, ago=10_000 - number, **fields))
    assert listed(installation, "-n", "2") == [f"{9_998:08x}", f"{9_999:08x}"]
    assert len(listed(installation, "-n", "0")) == 10_000
    start = [sys.executable, "-m", "hermes_router.cli", "turns"]
    took = {
        words: statistics.median(
            processor_seconds([*start, *words], installation.environ()) for _ in range(3)
        )
        for words in QUESTIONS
    }
    assert max(took.values()) < 1, took
