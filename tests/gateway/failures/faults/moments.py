"""Moments of a turn: bringing a message into one, and holding it there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage
from tests.gateway.failures.outcomes import messages, steps, wait_said, wait_step
from tests.kit import FORUM, Call, Reply
from tests.kit.model.types import ToolCall
from tests.kit.telegram.types import CURSOR
from tests.kit.waiting import wait_until

#: What Hermes says in a chat whose turn its stop interrupts, on each version, and of a message
#: that it queues.
GOING = ("Gateway shutting down", "Gateway restarting", "Shutdown notice", "ueued")

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

#: Seconds for which the platform holds an answer back: from the fifth on, it counts as stalled.
_HELD = 5.0

#: The pieces of a streamed answer that are sent before it is held, and their number.
_PIECES = " ".join(f"word{number}" for number in range(1, 41))
_SHOWN = 12


@dataclass
class Case:
    """One message, what holds its turn in the moment that is meant, and what is undone then."""

    stage: Stage
    moment: Moment
    text: str
    profile: str
    topic: int
    after: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    prompt: int = 0
    """The message that asks a person, if one does."""
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        """The folder in which the profile's tools run."""
        return self.stage.root.profiles[self.profile].path / "workspace"

    @property
    def ahead(self) -> str:
        """What is said before it in the moment :func:`waits_behind`."""
        return self.text.replace("a message", "the one ahead of")

    def say(self, text: str = "") -> None:
        self.stage.telegram.say(text or self.text, thread_id=self.topic)

    def seen(self) -> list[str]:
        """Return what the chat was sent, without prompts and what Hermes says of its own stop."""
        shown = messages(self.stage, self.topic, self.after)
        texts = [message.text for message in shown if message.id != self.prompt]
        return [text for text in texts if not any(words in text for words in GOING)]


#: It brings a message near to its moment, and after a ``yield`` into one that lasts seconds only.
Moment = Callable[[Case], Iterator[None]]


def model_asked(case: Case) -> Iterator[None]:
    """The model is asked, and does not answer."""
    seen = steps(case.stage, case.topic, "begun")
    _ask(case, Reply(f"late: {case.text}", hold=case.hold))
    wait_step(case.stage, case.topic, "begun", seen)
    yield


def tool_runs(case: Case) -> Iterator[None]:
    """A tool runs."""
    for name in (_RUNS, _GO):
        (case.workspace / name).unlink(missing_ok=True)
    (case.workspace / TOOL).write_text(UNTIL_TOLD)
    _ask(case, Reply(tool_calls=(ToolCall("terminal", {"command": f"python3 {TOOL}"}),)))
    wait_until((case.workspace / _RUNS).exists, ANSWER_SECONDS, "the tool does not run")
    yield


def tell_tool(case: Case, code: str) -> None:
    """Have the tool of :func:`tool_runs` go on with this code."""
    (case.workspace / f"{_GO}.new").write_text(code)
    (case.workspace / f"{_GO}.new").rename(case.workspace / _GO)


def mid_stream(case: Case) -> Iterator[None]:
    """A part of a streamed answer can be read."""
    seen = steps(case.stage, case.topic, "said")
    _stream(case, case.hold)
    wait_step(case.stage, case.topic, "said", seen)
    yield


def waits_behind(case: Case) -> Iterator[None]:
    """It waits in a worker, behind a message whose model is asked."""
    _ask(case, Reply(f"late: {case.ahead}", hold=case.hold), case.ahead)
    case.say(f"/queue {case.text}")
    wait_said(case.stage, case.topic, case.after, "ueued")
    yield


def approval_waits(case: Case) -> Iterator[None]:
    """A person is asked whether a tool may run."""
    (case.workspace / "precious").touch()
    _ask(case, Reply(tool_calls=(ToolCall("terminal", {"command": "rm -r precious"}),)))
    prompt = case.stage.telegram.wait_reply(
        FORUM,
        case.topic,
        after=case.after,
        timeout=ANSWER_SECONDS,
        where=lambda message: bool(message.buttons),
    )
    case.prompt = prompt.id
    yield


def last_edit(case: Case) -> Iterator[None]:
    """All of a streamed answer can be read; the platform has not said so."""
    whole, telegram = threading.Event(), case.stage.telegram
    case.undo.append(whole.set)
    _stream(case, whole)
    yield
    telegram.set_answer_latency("editMessageText", _HELD, match=_whole_text(case))
    whole.set()
    telegram.wait_reply(
        FORUM,
        case.topic,
        after=case.after,
        partial=True,
        timeout=ANSWER_SECONDS,
        where=lambda message: message.text.endswith(case.text),
    )


def reply_sent(case: Case) -> Iterator[None]:
    """The reply can be read; the platform has not said so."""
    whole = threading.Event()
    case.undo.append(whole.set)
    _ask(case, Reply(f"late: {case.text}", hold=whole))
    yield
    for method in ("sendMessage", "sendRichMessage"):
        case.stage.telegram.set_answer_latency(method, _HELD, match=_whole_text(case))
    whole.set()
    wait_said(case.stage, case.topic, case.after, case.text)


def accepted(case: Case) -> Iterator[None]:
    """The message is in the ledger; no worker has begun."""
    yield
    seen, begun = (steps(case.stage, case.topic, step) for step in ("accepted", "begun"))
    case.say()
    wait_step(case.stage, case.topic, "accepted", seen)
    assert steps(case.stage, case.topic, "begun") == begun


def to_come(_case: Case) -> Iterator[None]:
    """The message is still to come."""
    yield


def _ask(case: Case, reply: Reply, text: str = "") -> None:
    """Say it, and have the model asked for this reply."""
    text = text or case.text
    case.stage.model.script(reply, contains=text, times=1)
    asked = case.stage.model.seq
    case.say(text)
    case.stage.model.wait_chat(text, after=asked, timeout=ANSWER_SECONDS)


def _stream(case: Case, hold: threading.Event) -> None:
    """Have an answer streamed up to its middle."""
    _ask(case, Reply(f"late: {_PIECES} {case.text}", hold=hold, hold_after=_SHOWN))
    case.stage.telegram.wait_reply(
        FORUM,
        case.topic,
        contains="word5",
        after=case.after,
        partial=True,
        timeout=ANSWER_SECONDS,
    )


def _whole_text(case: Case) -> Callable[[Call], bool]:
    """Say which calls show the whole answer."""
    return lambda call: case.text in call.text and CURSOR not in call.text


#: Where a message is brought into a moment, in the order in which that is done.
PLACES: dict[Moment, tuple[str, int]] = {
    to_come: ("career", 40),
    model_asked: ("career", CAREER),
    tool_runs: ("career", 41),
    approval_waits: ("career", 42),
    waits_behind: ("career", 43),
    mid_stream: ("streams", 44),
    last_edit: ("streams", 45),
    reply_sent: ("career", 46),
    accepted: ("late", 47),
}

#: Topics of the same for workers in a sandbox.
BOXED_PLACES: dict[Moment, tuple[str, int]] = {
    moment: ("boxed", topic + 20)
    for moment, (profile, topic) in PLACES.items()
    if profile == "career"
}


def release(cases: list[Case]) -> None:
    """Hold none of them any more: models answer, tools end, persons say no."""
    for case in cases:
        case.hold.set()
        if case.moment is tool_runs:
            tell_tool(case, "print('told to end')")
        if case.prompt:
            case.stage.telegram.click(case.prompt, "Deny")
    cases[0].stage.telegram.clear_faults()


@contextmanager
def messages_for(
    stage: Stage, moments: Iterable[Moment], words: str, *, boxed: bool
) -> Iterator[list[Case]]:
    """Return a message for each moment; at the end all is as it was.

    Each message holds the name of its moment and ``words``.
    """
    places = BOXED_PLACES if boxed else PLACES
    cases = []
    for moment in (moment for moment in places if moment in set(moments)):
        text = f"a message {moment.__name__} {words}".replace("_", " ")
        cases.append(Case(stage, moment, text, *places[moment]))
    try:
        yield cases
    finally:
        mend(cases)


def mend(cases: list[Case]) -> None:
    """Undo what ended something, and hold nothing any more."""
    cases[0].stage.telegram.clear_faults()
    for case in cases:
        case.hold.set()
        while case.undo:
            case.undo.pop()()


Reach = Callable[[], None]


def bring_near(cases: list[Case]) -> Reach:
    """Bring each message near to its moment; what is returned brings them there, within seconds."""
    ways = []
    for case in cases:
        case.after = case.stage.telegram.seq
        ways.append(case.moment(case))
        next(ways[-1])

    def reach() -> None:
        for way in ways:
            for _ in way:
                raise RuntimeError("a moment has two steps")

    return reach
