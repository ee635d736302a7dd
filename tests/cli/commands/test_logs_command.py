"""`hermes-router logs`: which entries it shows, and that `-f` shows each new line once."""

from __future__ import annotations

import json
import os
import pty
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from hermes_router.observe import records
from hermes_router.observe.records import Records
from hermes_router.turns.story import TurnReport
from tests.cli.conftest import MODEL, Installation

TURN, OTHER = "1f0c2a9b", "7d31e0c4"


def hermes_line(text: str, *, ago: float = 0.0, level: str = "INFO", turn: str = "") -> str:
    """Return a line of an ``agent.log``, which has local time; ``ago`` is in minutes."""
    at = datetime.now(UTC).astimezone() - timedelta(minutes=ago)
    tag = f" [20260102_abc] [turn {turn}]" if turn else ""
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d} {level}{tag} x: {text}\n"


def worker_line(text: str, *, ago: float = 0.0, turn: str = "-") -> str:
    """Return a line that a worker has printed; ``ago`` is in minutes."""
    at = datetime.now(UTC) - timedelta(minutes=ago)
    return f"{at.isoformat(timespec='milliseconds')} {turn} {text}\n"


def gateway_log(installation: Installation) -> Path:
    return installation.home / "logs" / "agent.log"


def agent_log(installation: Installation, profile: str) -> Path:
    return installation.profile(profile) / "logs" / "agent.log"


def worker_log(installation: Installation, profile: str) -> Path:
    return installation.profile(profile) / "logs" / "hermes-router-worker.log"


def append(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def texts(installation: Installation, *arguments: str) -> list[str]:
    """Return the texts of the entries that the command shows, without the name of a logger."""
    shown = installation.run("logs", "--json", *arguments)
    assert (shown.status, shown.err) == (0, "")
    found = [json.loads(line)["text"] for line in shown.out.splitlines()]
    return [text.removeprefix("x: ") for text in found]


#: What the three kinds of logs say; the second word is True if it is about career.
ABOUT = [
    ("gateway", True, f"turn {TURN} telegram:1:6: answered in 2.31 s"),
    ("gateway", True, "the profile career changed"),
    ("gateway", True, "read /hermes/profiles/career/config.yaml"),
    ("gateway", False, f"turn {OTHER} telegram:1:7: answered in 2.31 s"),
    ("gateway", False, "the profile finance changed"),
    ("gateway", False, "the profile career-old changed"),
    ("gateway", False, "the profile old-career changed"),
    ("gateway", False, "a list of careers"),
    ("career/worker", True, "printed by career"),
    ("career/profile", True, "logged by career"),
    ("finance/worker", False, "printed by finance about career"),
    ("finance/profile", False, "logged by finance about career"),
]


def test_a_profile_has_its_own_entries_and_the_gateways_about_it(
    installation: Installation,
) -> None:
    logs = {
        "gateway": gateway_log(installation),
        **{f"{name}/worker": worker_log(installation, name) for name in ("career", "finance")},
        **{f"{name}/profile": agent_log(installation, name) for name in ("career", "finance")},
    }
    for source, _about_it, text in ABOUT:
        turn = TURN if source.startswith("career") else OTHER
        printed = source.endswith("worker")
        append(logs[source], worker_line(text, turn=turn) if printed else hermes_line(text))
    assert sorted(texts(installation)) == sorted(text for _, _, text in ABOUT)
    assert sorted(texts(installation, "career")) == sorted(t for _, wanted, t in ABOUT if wanted)


def test_a_profile_that_does_not_exist_is_a_wrong_command_line(installation: Installation) -> None:
    shown = installation.run("logs", "absent")
    assert (shown.status, shown.out) == (2, "")
    assert "there is no profile 'absent'" in shown.err
    assert "TIP: profiles: career, default, finance" in shown.err
    assert "TIP: did you mean 'career'? profiles: " in installation.run("logs", "carer").err


def test_a_profile_that_was_removed_still_has_the_gateways_entries(
    installation: Installation,
) -> None:
    for name in ("removed", "career"):
        append(gateway_log(installation), hermes_line(f"the profile {name} changed"))
    report = TurnReport(turn=TURN, profile="removed", outcome="answered")
    Records(records.folder_of(installation.home)).add(report)
    assert texts(installation, "removed") == ["the profile removed changed"]


AGES = {"a day": 1500.0, "hours": 150.0, "minutes": 15.0, "now": 0.0}


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, ["a day", "hours", "minutes", "now"]),
        ("2d", ["a day", "hours", "minutes", "now"]),
        ("3h", ["hours", "minutes", "now"]),
        ("20m", ["minutes", "now"]),
        ("5m", ["now"]),
        ("2999-01-01", []),
    ],
)
def test_since_leaves_out_what_is_older(
    installation: Installation, since: str | None, expected: list[str]
) -> None:
    for number, (text, ago) in enumerate(AGES.items()):
        log = [agent_log(installation, "career"), gateway_log(installation)][number % 2]
        append(log, hermes_line(text, ago=ago))
    assert texts(installation, *([] if since is None else ["--since", since])) == expected


def test_since_reads_what_was_rotated_away_too(installation: Installation) -> None:
    log = agent_log(installation, "career")
    append(log.with_name("agent.log.2"), hermes_line("first", ago=3))
    append(log.with_name("agent.log.1"), hermes_line("second", ago=2))
    append(log, hermes_line("third", ago=1))
    assert texts(installation, "--since", "1h") == ["first", "second", "third"]
    assert texts(installation) == ["third"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("DEBUG", ["debug", "info", "warning", "printed WARNING", "error\nTraceback", "critical"]),
        ("INFO", ["info", "warning", "printed WARNING", "error\nTraceback", "critical"]),
        ("warning", ["warning", "printed WARNING", "error\nTraceback", "critical"]),
        ("error", ["error\nTraceback", "critical"]),
        ("Critical", ["critical"]),
    ],
)
def test_a_level_leaves_out_what_is_lower(
    installation: Installation, level: str, expected: list[str]
) -> None:
    log = agent_log(installation, "career")
    for name in ("debug", "info", "warning", "error\nTraceback", "critical"):
        append(log, hermes_line(name, level=name.partition("\n")[0].upper()))
    append(worker_log(installation, "career"), worker_line("printed WARNING"))
    assert sorted(texts(installation, "--level", level)) == sorted(expected)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no entries yet; a running gateway writes the logs: hermes gateway run"),
        (
            ("--level", "error"),
            "no entry matches --level; to see the last ones: hermes-router logs",
        ),
        (
            ("career", "--since", "1h", "--level", "error"),
            "no entry matches --since --level; to see the last ones: hermes-router logs career",
        ),
        (("--level", "error", "--json"), ""),
    ],
)
def test_without_an_entry_the_next_command_is_named(
    installation: Installation, arguments: tuple[str, ...], said: str
) -> None:
    if arguments:
        append(agent_log(installation, "career"), hermes_line("all is well"))
    shown = installation.run("logs", *arguments)
    assert (shown.status, shown.out.rstrip(), shown.err) == (0, said, "")


def test_a_warning_that_stands_in_two_logs_is_shown_once(installation: Installation) -> None:
    own, printed = agent_log(installation, "career"), worker_log(installation, "career")
    append(own, hermes_line(f"it failed\n{TRACE}", level="ERROR", turn=TURN))
    append(printed, worker_line("ERROR x: it failed", turn=TURN))
    for number, another in enumerate(("ERROR x: it fails", "WARNING x: it failed", "it failed")):
        append(printed, worker_line(another, turn=TURN, ago=-0.001 * (number + 1)))
    append(printed, worker_line("ERROR x: it failed", turn=OTHER))
    append(printed, worker_line("ERROR x: it failed", turn=TURN, ago=1))
    append(worker_log(installation, "finance"), worker_line("ERROR x: it failed", turn=TURN))
    found = texts(installation)
    assert sorted(found) == sorted(
        [
            f"it failed\n{TRACE}",
            *("ERROR x: it fails", "WARNING x: it failed", "it failed"),
            *["ERROR x: it failed"] * 3,
        ]
    )


def test_of_two_logs_the_profiles_own_is_shown(installation: Installation) -> None:
    """It has what else belongs to the entry; each warning of one log counts."""
    log, at = agent_log(installation, "career"), datetime.now(UTC).astimezone()
    append(log, f"{at:%Y-%m-%d %H:%M:%S},000 WARNING [turn {TURN}] x: one\n" * 2)
    printed = (
        f"{at.replace(microsecond=0).isoformat(timespec='milliseconds')} {TURN} WARNING x: one\n"
    )
    append(worker_log(installation, "career"), printed * 2)
    assert texts(installation) == ["one", "one"]  # "WARNING x: one" is the worker log's


def test_a_warning_is_shown_once_whichever_log_has_it_first(installation: Installation) -> None:
    own, printed = agent_log(installation, "career"), worker_log(installation, "career")
    with following(installation) as shown:
        append(printed, worker_line("WARNING x: printed first", turn=TURN))
        assert shown.until("WARNING x: printed first") == ["WARNING x: printed first"]
        append(own, hermes_line("printed first", level="WARNING", turn=TURN))
        append(own, hermes_line("logged first", level="WARNING", turn=TURN))
        assert shown.until("logged first") == ["logged first"]
        append(printed, worker_line("WARNING x: logged first", turn=TURN))
        append(own, hermes_line("the end"))
        assert shown.until("the end") == ["the end"]


def test_an_unknown_level_is_a_wrong_command_line(installation: Installation) -> None:
    shown = installation.run("logs", "--level", "loud")
    assert shown.status == 2
    assert "WARNING" in shown.err


def test_colours_are_for_terminals_only(installation: Installation) -> None:
    append(agent_log(installation, "career"), hermes_line("it failed", level="ERROR"))
    plain = installation.run("logs", env=installation.environ(TERM="xterm")).out
    assert "it failed" in plain
    assert "\x1b" not in plain
    assert "\x1b[31mERROR x: it failed\x1b[0m" in on_terminal(installation, TERM="xterm")[0]


def on_terminal(
    installation: Installation, *arguments: str, columns: int = 80, **variables: str
) -> list[str]:
    """Return the lines that the command writes on a terminal with so many columns."""
    ours, theirs = pty.openpty()
    environment = installation.environ(**{"COLUMNS": str(columns), **variables})
    command = [sys.executable, "-m", "hermes_router.cli", "logs", *arguments]
    try:
        subprocess.run(command, env=environment, stdout=theirs, check=True, timeout=200)
        return os.read(ours, 65536).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)


LONG = "the worker said a lot about a calendar that has many entries of a large family"
WIDE = "家族の予定帳" * 12
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in begin\nValueError: no'


def of_three_logs(installation: Installation) -> None:
    """Write a line that is too long for a terminal, wide characters, and a traceback."""
    append(gateway_log(installation), hermes_line(f"turn {TURN}: {LONG}", ago=0.03))
    append(worker_log(installation, "career"), worker_line(f"WARNING y: {WIDE}", ago=0.02))
    failed = hermes_line(f"it failed\n{TRACE}", ago=0.01, level="ERROR", turn=TURN)
    append(agent_log(installation, "career"), failed)


@pytest.mark.parametrize(("arguments", "names"), [((), "wp"), (("career",), "worker profile")])
def test_a_terminal_shows_short_heads_and_breaks_lines_beside_them(
    installation: Installation, arguments: tuple[str, ...], names: str
) -> None:
    of_three_logs(installation)
    lines = on_terminal(installation, *arguments, NO_COLOR="1")
    assert max(map(cell_len, lines)) <= 80
    worker, profile = names.split() if arguments else ("career/w", "career/p")
    width = len(worker if len(worker) > len(profile) else profile)
    heads = [line[: 19 + width] for line in lines]
    begun = [re.sub(r"^\d\d:\d\d:\d\d ", "", head).split() for head in heads if head.strip()]
    assert begun == [[TURN, "gateway"], ["-", worker], *[[TURN, profile]] * 4]
    texts = [line[19 + width :].strip() for line in lines]
    said = " ".join(texts).replace("帳 家", "帳家")
    assert said.startswith(f"x: turn {TURN}: {LONG} WARNING y: ")
    assert "".join(texts).count(WIDE) == 1
    assert texts[-4:] == ["ERROR x: it failed", *(line.strip() for line in TRACE.split("\n"))]
    assert len(lines) > 6, "nothing was broken"


def test_a_pipe_gets_whole_lines_with_all_of_their_heads(installation: Installation) -> None:
    of_three_logs(installation)
    shown = installation.run("logs", env=installation.environ(COLUMNS="80")).out.splitlines()
    found = [line.split(None, 5) for line in shown]
    assert [fields[2:5] for fields in found] == [
        [TURN, "gateway", "INFO"],
        ["-", "career/worker", "WARNING"],
        *[[TURN, "career/profile", "ERROR"]] * 4,
    ]
    texts = [fields[5] for fields in found]
    assert texts[:2] == [f"x: turn {TURN}: {LONG}", f"y: {WIDE}"]
    for fields in found:
        datetime.strptime(f"{fields[0]} {fields[1]}", "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007


def test_a_line_keeps_its_margin_and_a_word_that_is_no_level(installation: Installation) -> None:
    lines = ["   a margin", "INFORMATION x", "ERRORS: two"]
    for number, line in enumerate(lines):
        append(worker_log(installation, "career"), worker_line(line, ago=-number))
    shown = installation.run("logs").out.splitlines()
    assert [line.partition(" INFO    ")[2] for line in shown] == lines


def test_a_terminal_shows_the_date_where_the_day_changes(installation: Installation) -> None:
    log = agent_log(installation, "career")
    days = [datetime.now(UTC).astimezone() - timedelta(days=ago) for ago in (2, 2, 1)]
    for number, day in enumerate(days):
        append(log, f"{day:%Y-%m-%d} 12:00:0{number},000 INFO x: it is {day:%d}\n")
    append(log, hermes_line("today"))
    lines = on_terminal(installation, NO_COLOR="1")
    dates = [(n, line) for n, line in enumerate(lines) if line.startswith("-- ")]
    shown = [f"-- {day:%Y-%m-%d} --" for day in (days[0], days[2], datetime.now(UTC).astimezone())]
    assert dates == list(zip([0, 3, 5], shown, strict=True))
    assert on_terminal(installation, "--since", "today", NO_COLOR="1") == lines[6:]


def test_a_terminal_without_room_beside_the_heads_gets_whole_lines(
    installation: Installation,
) -> None:
    of_three_logs(installation)
    lines = on_terminal(installation, columns=40, NO_COLOR="1")
    assert [line for line in lines if LONG in line]


# -- following -------------------------------------------------------------------------------------

#: An entry that :func:`following` waits for; all options of the tests show it.
READY = "career: is anybody there?"


class Following:
    """``logs -f --json`` that runs; ``first`` is what it found when it started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._output = process.stdout
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.first = self.until(READY)[:-1]

    def until(self, last: str) -> list[str]:
        """Return the texts that were printed since the last call, up to the text ``last``."""
        found: list[str] = []
        while not found or found[-1] != last:
            found.append(json.loads(self._lines.get(timeout=120))["text"].removeprefix("x: "))
        return found

    def _read(self) -> None:
        assert self._output is not None
        for line in self._output:
            self._lines.put(line)


@contextmanager
def following(installation: Installation, *arguments: str) -> Iterator[Following]:
    """Run the command; when the body begins it has printed what was there."""
    append(gateway_log(installation), hermes_line(READY, ago=-60, level="CRITICAL"))
    with subprocess.Popen(
        [sys.executable, "-m", "hermes_router.cli", "logs", "-f", "--json", *arguments],
        env=installation.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Following(process)
        finally:
            process.kill()


def test_a_log_that_appears_is_shown_from_its_first_line(installation: Installation) -> None:
    append(agent_log(installation, "career"), hermes_line("was there"))
    with following(installation) as shown:
        assert shown.first == ["was there"]
        append(worker_log(installation, "career"), worker_line("first") + worker_line("second"))
        assert shown.until("second") == ["first", "second"]
        new = installation.add_profile("writing", MODEL)
        append(new / "logs" / "agent.log", hermes_line("also new") + hermes_line("and more"))
        assert shown.until("and more") == ["also new", "and more"]


def test_a_traceback_that_comes_later_belongs_to_its_entry(installation: Installation) -> None:
    log = gateway_log(installation)
    with following(installation, "career", "--level", "error") as shown:
        append(log, hermes_line("career failed", level="ERROR"))
        assert shown.until("career failed") == ["career failed"]
        append(log, "Traceback (most recent call last):\n")
        shown.until("Traceback (most recent call last):")
        append(log, hermes_line("finance failed", level="ERROR"))
        append(log, "KeyError: career\n")
        append(log, hermes_line("career warns", level="WARNING"))
        append(log, "more of the warning\n")
        append(log, hermes_line("career ends", level="ERROR"))
        assert shown.until("career ends") == ["career ends"]


@contextmanager
def written_all_the_time(path: Path) -> Iterator[Callable[[], int]]:
    """Write numbered lines; the function that this yields ends that and returns their number."""
    stop, count = threading.Event(), 0

    def write() -> None:
        nonlocal count
        with path.open("a") as file:
            while not stop.wait(0.0005):
                file.write(hermes_line(f"line {count}"))
                file.flush()
                count += 1

    def end() -> int:
        stop.set()
        writer.join(60)
        return count

    append(path, "")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield end
    finally:
        end()


def test_each_line_is_shown_once_also_if_it_is_written_during_the_start(
    installation: Installation,
) -> None:
    # With many logs, the command takes long enough to look at them for lines to come in between.
    for number in range(150):
        installation.add_profile(f"other-{number}", MODEL)
        append(agent_log(installation, f"other-{number}"), "")
    log = gateway_log(installation)
    with (
        written_all_the_time(log) as end,
        following(installation, "--since", "1h") as shown,
    ):
        after = shown.until(f"line {len(shown.first) + 500}")
        count = end()
        append(log, hermes_line("the end"))
        after += shown.until("the end")
    assert shown.first
    assert shown.first + after == [*(f"line {number}" for number in range(count)), "the end"]


def test_since_hides_no_new_line_when_the_clock_is_set_back(installation: Installation) -> None:
    log = agent_log(installation, "career")
    append(log, hermes_line("too old", ago=20) + hermes_line("young", ago=5))
    with following(installation, "--since", "10m") as shown:
        assert shown.first == ["young"]
        append(log, hermes_line("an hour back", ago=60))
        assert shown.until("an hour back") == ["an hour back"]


def test_a_rotation_loses_no_line(installation: Installation) -> None:
    log = worker_log(installation, "career")
    append(log, worker_line("before"))
    with following(installation) as shown:
        assert shown.first == ["before"]
        for _ in range(3):
            with log.open("a") as of_a_worker:
                append(log, worker_line("the last one"))
                log.replace(log.with_name(f"{log.name}.1"))
                append(log, worker_line("the first one"))
                assert shown.until("the first one") == ["the last one", "the first one"]
                # A worker that runs writes on into the file that it has opened.
                of_a_worker.write(worker_line("of a worker"))
                of_a_worker.flush()
                assert shown.until("of a worker") == ["of a worker"]
