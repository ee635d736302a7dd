"""Moments of a turn: bringing a message into one, and holding it there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage
from tests.gateway.failures.outcomes import said, steps, wait_said, wait_step
from tests.kit import Reply
from tests.kit.model.types import ToolCall
from tests.kit.waiting import wait_until

FIRST, SECOND = CAREER, 41
"""Topics of the profile career, whose workers are prepared."""

LATE = 42
"""The topic of a profile whose workers take seconds until they begin."""

#: What Hermes says in a chat whose turn its stop interrupts, on each version.
GOING = ("Gateway shutting down", "Gateway restarting", "Shutdown notice")

TOOL = "until_told.py"
_RUNS, _GO = "tool-runs", "tool-go"

#: A tool of an agent that does nothing until it is told what to do. It bounds itself too.
UNTIL_TOLD = f"""
import pathlib, resource, time
for name, most in {{"AS": 4 << 30, "CPU": 60}}.items():
    kind = getattr(resource, f"RLIMIT_{{name}}")
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
pathlib.Path("{_RUNS}").touch()
go, end = pathlib.Path("{_GO}"), time.monotonic() + {ANSWER_SECONDS}
while not go.exists() and time.monotonic() < end:
    time.sleep(0.02)
exec(go.read_text())
"""


@dataclass
class Case:
    """One message, what holds its turn in the moment that is meant, and what is undone then."""

    stage: Stage
    moment: Moment
    text: str
    after: int
    profile: str
    topic: int
    hold: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        """The folder in which the profile's tools run."""
        return self.stage.root.profiles[self.profile].path / "workspace"

    def say(self) -> None:
        self.stage.telegram.say(self.text, thread_id=self.topic)

    def seen(self) -> list[str]:
        """Return what the chat was sent, without what Hermes says of its own stop."""
        texts = said(self.stage, self.topic, self.after)
        return [text for text in texts if not any(words in text for words in GOING)]


Moment = Callable[[Case], None]


def model_asked(case: Case) -> None:
    """The model is asked, and does not answer."""
    script = Reply(f"late: {case.text}", hold=case.hold)
    case.stage.model.script(script, contains=case.text, times=1)
    seen = steps(case.stage, "begun")
    case.say()
    case.stage.model.wait_chat(case.text)
    wait_step(case.stage, "begun", seen)


def tool_runs(case: Case) -> None:
    """A tool runs."""
    for name in (_RUNS, _GO):
        (case.workspace / name).unlink(missing_ok=True)
    (case.workspace / TOOL).write_text(UNTIL_TOLD)
    call = Reply(tool_calls=(ToolCall("terminal", {"command": f"python3 {TOOL}"}),))
    case.stage.model.script(call, contains=case.text, times=1)
    case.say()
    wait_until((case.workspace / _RUNS).exists, ANSWER_SECONDS, "the tool does not run")


def tell_tool(case: Case, code: str) -> None:
    """Have the tool of :func:`tool_runs` go on with this code."""
    (case.workspace / f"{_GO}.new").write_text(code)
    (case.workspace / f"{_GO}.new").rename(case.workspace / _GO)


def reply_sent(case: Case) -> None:
    """The reply can be read; the platform has not said so."""
    case.stage.telegram.set_answer_latency("sendMessage", 5.0)
    case.say()
    wait_said(case.stage, case.topic, case.after, case.text)


def accepted(case: Case) -> None:
    """The message is in the ledger; no worker has begun."""
    seen, begun = steps(case.stage, "accepted"), steps(case.stage, "begun")
    case.say()
    wait_step(case.stage, "accepted", seen)
    assert steps(case.stage, "begun") == begun


#: Where a message is brought into a moment, if nothing else is said.
PLACES: dict[Moment, tuple[str, int]] = {
    model_asked: ("career", FIRST),
    tool_runs: ("career", FIRST),
    reply_sent: ("career", SECOND),
    accepted: ("late", LATE),
}


def release(cases: list[Case]) -> None:
    """Hold none of them any more."""
    for case in cases:
        case.hold.set()
        case.stage.telegram.clear_faults()


@contextmanager
def brought_about(
    stage: Stage, moments: list[Moment], words: str, place: tuple[str, int] | None = None
) -> Iterator[list[Case]]:
    """Bring a message into each moment, in this order; at the end all is as it was.

    Each message holds the name of its moment and ``words``. ``place`` is a profile and its topic,
    if it is not the moment's own.
    """
    cases: list[Case] = []
    try:
        for moment in moments:
            text = f"a message {moment.__name__} {words}".replace("_", " ")
            cases.append(Case(stage, moment, text, stage.telegram.seq, *place or PLACES[moment]))
            moment(cases[-1])
        yield cases
    finally:
        release(cases)
        for case in cases:
            for undo in case.undo:
                undo()
