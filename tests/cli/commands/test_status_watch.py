"""`status --watch`: on a terminal a view fits and is replaced; in a pipe it is whole."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from hermes_router.observe.status.messages import Configuration, Profile, Status, Worker
from hermes_router.turns.story import TurnReport
from tests.cli.conftest import CHAT, Installation, answering

SECONDS = 100.0
#: What rich writes before each view, and at the end.
TOP, OTHER_SCREEN, OWN_SCREEN, CURSOR = "\x1b[H", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


def status(idle: int = 40, **fields: object) -> Status:
    """Return a status with a failure, a busy worker and so many idle ones."""
    busy = Worker(pid=4_194_000, role="busy", turn="1f0c2a9b", place=f"telegram:{CHAT}:6")
    career = Profile(
        name="career",
        routes=2,
        concurrent_turns=4,
        workers=[busy, *(Worker(pid=4_194_001 + n, role="ready") for n in range(idle))],
        last_failure=TurnReport(turn="7d31e0c4", profile="career", outcome="timeout"),
    )
    configuration = Configuration(file="/h/config.yaml", routes=2, warm_profiles=8)
    given = {
        "configuration": configuration,
        "profiles": [career],
        "closed": [f"places of finance: {'the profile cannot be used ' * 10}"],
        **fields,
    }
    return Status(pid=4_194_299, home="/h", uptime=86.0, **given)  # type: ignore[arg-type]


class Terminal:
    """A terminal on which ``hermes-router`` runs; :meth:`until` reads what it writes there."""

    def __init__(
        self, installation: Installation, words: Sequence[str], size: tuple[int, int], **env: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(size)
        self.shown = ""
        self.process = subprocess.Popen(
            [*installation.python, "-m", "hermes_router.cli", *words],
            env=installation.environ(**{"TERM": "xterm", **env}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def resize(self, size: tuple[int, int]) -> None:
        termios.tcsetwinsize(self._ours, size)

    def until(self, words: str, count: int = 1) -> str:
        """Return all that was written, as soon as these words are in it so many times."""
        deadline = time.monotonic() + SECONDS
        while self.shown.count(words) < count:
            ready, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
            assert ready, self.shown
            self.shown += os.read(self._ours, 65536).decode()
        return self.shown

    def to_the_end(self) -> str:
        """Return all that was written until the process has closed the terminal."""
        with contextlib.suppress(OSError):
            self.until("\0")
        self.process.wait(SECONDS)
        return self.shown

    def view(self, number: int) -> list[str]:
        """Return the lines of a view, without colours; the first one has number 0."""
        begun = self.until(TOP, number + 3)  # one is before the first view
        return plain(begun.split(TOP)[number + 2])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def plain(text: str) -> list[str]:
    """Return lines without colours, and without the blanks behind them."""
    text = re.sub(r"\x1b\[[\d;]*m|\x1b\[\?25[lh]", "", text)
    return [line.rstrip() for line in text.split("\r\n")]


@contextlib.contextmanager
def terminal(
    installation: Installation, *words: str, size: tuple[int, int] = (24, 80), **env: str
) -> Iterator[Terminal]:
    opened = Terminal(installation, words or ("status", "--watch"), size, **env)
    try:
        yield opened
    finally:
        opened.close()


def whole(installation: Installation, size: tuple[int, int]) -> list[str]:
    """Return the rows that ``status`` needs on a terminal of this size."""
    with terminal(installation, "status", size=size) as shown:
        lines = plain(shown.to_the_end().removesuffix("\r\n"))
    return [line[at : at + size[1]] for line in lines for at in range(0, len(line) or 1, size[1])]


def test_a_live_view_fits_and_says_how_many_lines_it_does_not_show(
    installation: Installation,
) -> None:
    with answering(installation, status()), terminal(installation) as shown:
        lines = shown.view(0)
        everything = whole(installation, (24, 80))
    assert len(lines) == 24
    assert max(map(cell_len, lines)) <= 80
    assert lines[-1] == f"{len(everything) - 23} more lines; all: hermes-router status"
    assert lines[:-1] == everything[:23]


def test_what_matters_is_above_the_idle_workers(installation: Installation) -> None:
    with answering(installation, status()), terminal(installation) as shown:
        lines = shown.view(0)
    wanted = (
        *("running for", "/h/config.yaml: 2 routes", "closed: places of finance", "career"),
        *(f"telegram:{CHAT}:6", "last failure of career", "ready"),
    )
    rows = [next(n for n, line in enumerate(lines) if words in line) for words in wanted]
    assert rows == sorted(rows)


def test_a_view_that_fits_is_whole(installation: Installation) -> None:
    with answering(installation, status(idle=2)), terminal(installation) as shown:
        lines = shown.view(0)
    assert "4194002" in "".join(lines)
    assert "more line" not in "".join(lines)


def test_a_live_view_follows_the_size_of_the_terminal(installation: Installation) -> None:
    with answering(installation, status()), terminal(installation) as shown:
        assert len(shown.view(0)) == 24
        shown.resize((9, 40))
        small = shown.view(2)
        shown.resize((100, 120))
        large = shown.view(4)
    assert len(small) == 9
    assert max(map(cell_len, small)) <= 40
    assert re.fullmatch(r"\d+ more lines; all: hermes-router status", small[-1])
    assert "4194040" in "".join(large)
    assert "more line" not in "".join(large)


def test_the_last_line_names_the_home_that_was_given(installation: Installation) -> None:
    words = ("status", "--watch", "--home", str(installation.home))
    with answering(installation, status()), terminal(installation, *words, COLUMNS="300") as shown:
        last = shown.view(0)[-1]
    command = shlex.split(last.rpartition(": ")[2])
    assert command == ["hermes-router", "status", "--home", str(installation.home)]


def test_a_hint_is_a_part_of_the_view(installation: Installation) -> None:
    closed = status(routing_closed="this Hermes lacks x")
    with answering(installation, closed), terminal(installation) as shown:
        first, second = shown.view(0), shown.view(1)
    assert "TIP: hermes-router doctor says what to do" in first
    assert first == second


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_terminal_is_as_before_when_a_live_view_ends(
    installation: Installation, number: int, ends: int
) -> None:
    with answering(installation, status()), terminal(installation) as shown:
        shown.view(0)
        shown.process.send_signal(number)
        written = shown.to_the_end()
    assert shown.process.returncode == ends
    assert written.count(OTHER_SCREEN) == 1
    _, _, after = written.partition(OWN_SCREEN)
    assert CURSOR in written
    assert plain(after) in (["", ""], [""])


def rounds(text: str) -> list[str]:
    """Return what each whole round wrote below its time; the last round is not whole."""
    parts = re.split(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    now = datetime.now(UTC).astimezone().replace(tzinfo=None)
    for moment in parts[1::2]:
        assert abs((now - datetime.fromisoformat(moment)).total_seconds()) < 2 * SECONDS
    return parts[2:-1:2]


def test_in_a_pipe_each_round_is_whole_below_its_time(installation: Installation) -> None:
    with answering(installation, status()):
        everything = installation.run("status").out
        with subprocess.Popen(
            [*installation.python, "-m", "hermes_router.cli", "status", "--watch"],
            env=installation.environ(TERM="xterm", LINES="10"),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            written = ""
            while written.count("running for") < 3:
                written += process.stdout.readline()
            process.kill()
    first, second = rounds(written)[:2]
    assert "\x1b" not in written
    assert first == second == f"{everything}\n"
    assert "4194040" in first


@pytest.mark.parametrize("kind", ["dumb", "without rich"])
def test_a_terminal_that_cannot_be_written_over_gets_whole_rounds_too(
    request: pytest.FixtureRequest, installation: Installation, kind: str
) -> None:
    if kind == "without rich":
        installation = request.getfixturevalue("without_hermes")
    term = "dumb" if kind == "dumb" else "xterm"
    with (
        answering(installation, status()),
        terminal(installation, NO_COLOR="1", TERM=term) as shown,
    ):
        written = shown.until("running for", 3).replace("\r\n", "\n")
    assert "\x1b" not in written
    assert "4194040" in rounds(written)[0]
