"""Moments of a turn, and what ends in them: a table of what the chat saw, a row for each test.

``make faults`` prints it. A row passes if the chat saw exactly what is promised, in at most so many
seconds, and another profile was answered meanwhile or right after.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.gateway.failures.outcomes import QUIET, said, steps, wait_said, wait_step
from tests.kit import Reply
from tests.kit.waiting import wait_until

#: Where ``make faults`` wants a line for each row.
TABLE = os.environ.get("HERMES_ROUTER_FAULTS", "")
RECOVERY_SECONDS = 60.0

#: A row starts the gateway up to four times.
pytestmark = pytest.mark.timeout(300)

#: What Hermes says in a chat whose turn its stop interrupts, on each version.
GOING = ("Gateway shutting down", "Gateway restarting", "Shutdown notice")

ANSWER, LINE = "answered", "one line"


@dataclass
class Case:
    """One message, and what holds its turn in the moment that is meant."""

    stage: Stage
    text: str
    after: int
    hold: threading.Event = field(default_factory=threading.Event)

    def seen(self) -> list[str]:
        """Return what the chat was sent, without what Hermes says of its own stop."""
        texts = said(self.stage, CAREER, self.after)
        return [text for text in texts if not any(words in text for words in GOING)]


# -- moments ---------------------------------------------------------------------------------


def accepted(case: Case) -> None:
    """The message is in the ledger; no worker has begun."""
    case.stage.gateway.restart()  # nothing is prepared yet
    seen = steps(case.stage, "accepted")
    case.stage.telegram.say(case.text, thread_id=CAREER)
    wait_step(case.stage, "accepted", seen)


def model_asked(case: Case) -> None:
    """The model is asked, and does not answer."""
    script = Reply(f"late: {case.text}", hold=case.hold)
    case.stage.model.script(script, contains=case.text, times=1)
    seen = steps(case.stage, "begun")
    case.stage.telegram.say(case.text, thread_id=CAREER)
    case.stage.model.wait_chat(case.text)
    wait_step(case.stage, "begun", seen)


def reply_sent(case: Case) -> None:
    """The reply can be read; the platform has not said so."""
    case.stage.telegram.set_answer_latency("sendMessage", 3.0)
    case.stage.telegram.say(case.text, thread_id=CAREER)
    wait_said(case.stage, CAREER, case.after, case.text)


# -- what ends ---------------------------------------------------------------------------------


def worker(case: Case) -> None:
    """SIGKILL of the worker."""
    kill(case.stage.worker_in_turn("career"))


def supervisor(case: Case) -> None:
    """SIGKILL of the supervisor of the worker."""
    pid = case.stage.worker_in_turn("career")
    if psutil.pid_exists(pid):
        kill(psutil.Process(pid).ppid())


def gateway(case: Case) -> None:
    """SIGKILL of the gateway, and its next start."""
    case.stage.gateway.kill()
    release(case)
    case.stage.gateway.start()


def gateway_twice(case: Case) -> None:
    """SIGKILL of the gateway, twice within 2 s."""
    case.stage.gateway.kill()
    release(case)
    case.stage.gateway.start()
    time.sleep(1.5)
    case.stage.gateway.kill()
    case.stage.gateway.start()


def sigterm(case: Case) -> None:
    """SIGTERM of the gateway, whose turn can end within the drain, and its next start."""
    threading.Timer(1.0, release, [case]).start()
    case.stage.gateway.stop()
    case.stage.gateway.start()


def kill(pid: int) -> None:
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGKILL)


def release(case: Case) -> None:
    case.hold.set()
    case.stage.telegram.clear_faults()


# -- the table ---------------------------------------------------------------------------------

Step = Callable[[Case], None]
ROWS: list[tuple[Step, Step, str]] = [
    (accepted, gateway, ANSWER),
    (accepted, sigterm, ANSWER),
    (model_asked, worker, LINE),
    (model_asked, supervisor, LINE),
    (model_asked, gateway, LINE),
    (model_asked, gateway_twice, LINE),
    (model_asked, sigterm, ANSWER),
    (reply_sent, worker, ANSWER),
    (reply_sent, supervisor, ANSWER),
    (reply_sent, gateway, ANSWER),
    (reply_sent, gateway_twice, ANSWER),
    (reply_sent, sigterm, ANSWER),
]


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.telegram.clear_faults()
    stage.model.clear_scripts()


@pytest.mark.parametrize(
    ("moment", "end", "promised"), ROWS, ids=[f"{m.__name__}-{e.__name__}" for m, e, _ in ROWS]
)
def test_each_message_has_the_promised_outcome(
    stage: Stage, moment: Step, end: Step, promised: str
) -> None:
    text = f"a message {moment.__name__} {end.__name__}".replace("_", " ")
    case = Case(stage, text, stage.telegram.seq)
    moment(case)
    end(case)
    begun = time.monotonic()  # how long a start of the gateway takes is Hermes's own
    try:
        wait_until(lambda: bool(case.seen()), RECOVERY_SECONDS, "nothing was said")
        seconds = time.monotonic() - begun
    finally:
        release(case)
    stage.ask("all well?", SYSTEMS, contains="all well?")
    time.sleep(QUIET)
    seen = case.seen()
    note_row(moment, end, promised, seen, seconds)
    stage.ask("and now?", CAREER, contains="and now?")
    assert [kind(text) for text in seen] == [promised], seen


def kind(text: str) -> str:
    """Say whether a text is an answer or a line about a message."""
    return LINE if text.startswith("⚠️") else ANSWER


def note_row(moment: Step, end: Step, promised: str, seen: list[str], seconds: float) -> None:
    """Write a row of the table."""
    if TABLE:
        words = " / ".join(text.replace("\n", " ")[:100] for text in seen) or "nothing"
        row = f"| {moment.__doc__} | {end.__doc__} | {promised} | {words} | {seconds:.1f} |\n"
        with Path(TABLE).open("a", encoding="utf-8") as file:
            file.write(row)
