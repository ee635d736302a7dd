"""Moments of a turn, and what ends in them: a table of what the chat saw, a row for each pair.

``make faults`` prints it. A row passes if the chat saw exactly what is promised, in at most so many
seconds, and another profile was answered right after. What ends a gateway ends it in all moments
at once, each of them in a topic of its own: its starts are what the tests of this file cost.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage, start_cold
from tests.gateway.failures.outcomes import NOTE, QUIET, said, steps, wait_said, wait_step
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.waiting import wait_until

#: Where ``make faults`` wants a line for each row.
TABLE = os.environ.get("HERMES_ROUTER_FAULTS", "")
RECOVERY_SECONDS = 150.0

#: A test starts the gateway up to two times.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]

#: What Hermes says in a chat whose turn its stop interrupts, on each version.
GOING = ("Gateway shutting down", "Gateway restarting", "Shutdown notice")

ANSWER, LINE = "answered", "one line"


FIRST, SECOND = CAREER, 41
"""Topics of a profile whose workers are prepared."""

LATE = 42
"""The topic of a profile whose workers take seconds until they begin."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.add_profile("late", model="late-model", api_key="late-key")
    routes = {str(SECOND): "career", str(LATE): "late"}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
        }
    )
    for topic in (SECOND, LATE):
        telegram.add_topic(topic, f"topic {topic}")
    return start_cold(stage, "late")


@dataclass
class Case:
    """One message, and what holds its turn in the moment that is meant."""

    stage: Stage
    moment: Moment
    text: str
    after: int
    topic: int
    hold: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0

    def say(self) -> None:
        self.stage.telegram.say(self.text, thread_id=self.topic)

    def seen(self) -> list[str]:
        """Return what the chat was sent, without what Hermes says of its own stop."""
        texts = said(self.stage, self.topic, self.after)
        return [text for text in texts if not any(words in text for words in GOING)]


# -- moments, in the order in which several of them can be brought about -----------------------


def model_asked(case: Case) -> None:
    """The model is asked, and does not answer."""
    script = Reply(f"late: {case.text}", hold=case.hold)
    case.stage.model.script(script, contains=case.text, times=1)
    seen = steps(case.stage, "begun")
    case.say()
    case.stage.model.wait_chat(case.text)
    wait_step(case.stage, "begun", seen)


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


# -- what ends ---------------------------------------------------------------------------------


def worker(stage: Stage, _release: Release) -> None:
    """SIGKILL of the worker."""
    kill(stage.worker_in_turn("career"))


def supervisor(stage: Stage, _release: Release) -> None:
    """SIGKILL of the supervisor of the worker."""
    pid = stage.worker_in_turn("career")
    if psutil.pid_exists(pid):
        kill(psutil.Process(pid).ppid())


def gateway(stage: Stage, release: Release) -> None:
    """SIGKILL of the gateway, and its next start."""
    stage.gateway.kill()
    release()
    stage.gateway.start()


def gateway_twice(stage: Stage, release: Release) -> None:
    """SIGKILL of the gateway, twice within 2 s."""
    stage.gateway.kill()
    release()
    stage.gateway.start()
    time.sleep(1.5)
    stage.gateway.kill()
    stage.gateway.start()


def sigterm(stage: Stage, release: Release) -> None:
    """SIGTERM of the gateway, whose turns can end within the drain, and its next start."""
    threading.Timer(1.0, release).start()
    stage.gateway.stop()
    stage.gateway.start()


def kill(pid: int) -> None:
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGKILL)


# -- the table ---------------------------------------------------------------------------------

Moment = Callable[[Case], None]
Release = Callable[[], None]
End = Callable[[Stage, Release], None]
Promises = dict[Moment, str]

ROWS: list[tuple[End, Promises]] = [
    (worker, {model_asked: LINE}),
    (worker, {reply_sent: ANSWER}),
    (supervisor, {model_asked: LINE}),
    (supervisor, {reply_sent: ANSWER}),
    (gateway, {model_asked: LINE, reply_sent: ANSWER, accepted: ANSWER}),
    (gateway_twice, {model_asked: LINE, reply_sent: ANSWER, accepted: ANSWER}),
    (sigterm, {model_asked: ANSWER, reply_sent: ANSWER, accepted: ANSWER}),
]
TOPICS: dict[Moment, int] = {model_asked: FIRST, reply_sent: SECOND, accepted: LATE}


@pytest.mark.parametrize(
    ("end", "promises"),
    ROWS,
    ids=["-".join([end.__name__, *(m.__name__ for m in moments)]) for end, moments in ROWS],
)
def test_each_message_has_the_promised_outcome(stage: Stage, end: End, promises: Promises) -> None:
    with brought_about(stage, end, promises) as (cases, release):
        end(stage, release)
        wait_for_words(cases)
    stage.ask("all well?", SYSTEMS, contains="all well?")
    time.sleep(QUIET)
    seen = {case.moment: case.seen() for case in cases}
    for case in cases:
        note_row(case, end, promises[case.moment], seen[case.moment])
    for case in cases:
        stage.ask("and now?", case.topic, contains="and now?")
        assert [kind(text) for text in seen[case.moment]] == [promises[case.moment]], seen
        assert belongs(case, end, *seen[case.moment]), seen


@contextmanager
def brought_about(
    stage: Stage, end: End, moments: Promises
) -> Iterator[tuple[list[Case], Release]]:
    """Bring a message into each moment; at the end nothing holds any of them."""
    cases: list[Case] = []

    def release() -> None:
        for case in cases:
            case.hold.set()
        stage.telegram.clear_faults()

    try:
        for moment in moments:
            text = f"a message {moment.__name__} {end.__name__}".replace("_", " ")
            cases.append(Case(stage, moment, text, stage.telegram.seq, TOPICS[moment]))
            moment(cases[-1])
        yield cases, release
    finally:
        release()


def wait_for_words(cases: list[Case]) -> None:
    """Wait until each chat was told something."""
    begun = time.monotonic()  # how long a start of the gateway takes is Hermes's own

    def told() -> bool:
        for case in cases:
            if not case.seconds and case.seen():
                case.seconds = max(0.01, time.monotonic() - begun)
        return all(case.seconds for case in cases)

    try:
        wait_until(told, RECOVERY_SECONDS)
    except TimeoutError:
        silent = [case.moment.__name__ for case in cases if not case.seconds]
        raise TimeoutError(f"nothing was said to: {', '.join(silent)}") from None


def kind(text: str) -> str:
    """Say whether a text is an answer or a line about a message."""
    return LINE if text.startswith("⚠️") else ANSWER


def belongs(case: Case, end: End, text: str) -> bool:
    """Say whether an answer is the message's own, and a line after a dead gateway names it.

    Where a turn is continued after a restart, the model gets Hermes's note, and the message before
    the note, or after it.
    """
    if kind(text) == ANSWER and NOTE in text:
        asked = case.stage.model.requests("chat")
        return any(NOTE in one.last_user and case.text in str(one.json) for one in asked)
    if kind(text) == ANSWER:
        return text.startswith(("echo: ", "late: ")) and text.endswith(case.text)
    gateway_died = end in (gateway, gateway_twice)
    return not gateway_died or ("was interrupted" in text and f"“{case.text}”" in text)


def note_row(case: Case, end: End, promised: str, seen: list[str]) -> None:
    """Write a row of the table."""
    if TABLE:
        words = " / ".join(text.replace("\n", " ")[:100] for text in seen) or "nothing"
        row = f"| {case.moment.__doc__} | {end.__doc__} | {promised} | {words} |"
        with Path(TABLE).open("a", encoding="utf-8") as file:
            file.write(f"{row} {case.seconds:.1f} |\n")
