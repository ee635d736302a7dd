"""Moments of a turn, and what ends in them: a table of what the chat saw, a row for each pair.

``make faults`` prints it. A row passes if the chat saw exactly what is promised, in at most so many
seconds; if another profile answered each message meanwhile, or right after where the gateway itself
ended; and if nothing is left over. What ends a gateway ends it in all moments at once, each of them
in a topic of its own: its starts are what the tests of this file cost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import (
    ANSWER_SECONDS,
    BOXED,
    Stage,
    add_boxed,
    build_stage,
    open_messages,
    start_cold,
)
from tests.gateway.failures import ends
from tests.gateway.failures.ends import End
from tests.gateway.failures.moments import (
    LATE,
    SECOND,
    TOOL,
    Case,
    Moment,
    accepted,
    brought_about,
    model_asked,
    reply_sent,
    tool_runs,
)
from tests.gateway.failures.outcomes import NOTE, QUIET, RECOVERED
from tests.kit import FORUM, USER, FakeModel, FakeTelegram
from tests.kit.model.script import spoken
from tests.kit.waiting import wait_until

#: Where ``make faults`` wants a line for each row.
TABLE = os.environ.get("HERMES_ROUTER_FAULTS", "")
RECOVERY_SECONDS = 150.0

#: A test starts the gateway up to two times.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]

ANSWER, LINE = "answered", "one line"
BOTH = f"{LINE}, {ANSWER}"

#: A topic that stays with the profile late when another one is taken from it.
HOME_OF_LATE = 43


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.add_profile("late", model="late-model", api_key="late-key")
    stage.root.profiles["career"].configure({"approvals": {"mode": "off"}})
    # The last place of a profile is its home channel: Hermes tells one that has none of that.
    routes = {str(SECOND): "career", str(LATE): "late", str(HOME_OF_LATE): "late"}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes, str(USER): "systems"}}},
            "hermes_router": {"profiles": {"career": {"limits": ends.LIMITS}}},
        }
    )
    for topic in (SECOND, LATE):
        telegram.add_topic(topic, f"topic {topic}")
    return start_cold(add_boxed(stage), "late", "boxed")


Promises = dict[Moment, str]


@dataclass(frozen=True)
class Row:
    """What ends in which moments, what is promised to each, and what a line must say."""

    end: End
    promises: Promises
    line: str = ""
    boxed: bool = False

    @property
    def what(self) -> str:
        return f"{self.end.__doc__}{' With `bubblewrap`.' if self.boxed else ''}"

    def __str__(self) -> str:
        names = [self.end.__name__, *(moment.__name__ for moment in self.promises)]
        return "-".join([*names, *["bubblewrap"] * self.boxed])


#: These end the gateway: nobody is answered meanwhile, and a line names the message that it is of.
END_THE_GATEWAY = (
    ends.gateway,
    ends.gateway_twice,
    ends.sigterm,
    ends.replaced,
    ends.replaced_hard,
)

DIED, CUT = "stopped unexpectedly", "was interrupted"
ALL_ANSWERED: Promises = {model_asked: ANSWER, reply_sent: ANSWER, accepted: ANSWER}
BEGUN_ONES_ANSWERED: Promises = {model_asked: ANSWER, reply_sent: ANSWER}
NONE_TWICE: Promises = {model_asked: LINE, reply_sent: ANSWER, accepted: ANSWER}

ROWS = [
    Row(ends.worker, {model_asked: LINE}, DIED),
    Row(ends.worker, {model_asked: LINE}, DIED, boxed=True),
    Row(ends.worker, {reply_sent: ANSWER}),
    Row(ends.supervisor, {model_asked: LINE}, DIED),
    Row(ends.supervisor, {reply_sent: ANSWER}),
    Row(ends.out_of_memory, {tool_runs: LINE}, "limits.memory_bytes"),
    Row(ends.out_of_descriptors, {tool_runs: BOTH}, "limits.open_files"),
    Row(ends.config_edited, ALL_ANSWERED),
    Row(ends.gateway, NONE_TWICE, CUT),
    Row(ends.gateway_twice, NONE_TWICE, CUT),
    Row(ends.sigterm, ALL_ANSWERED),
    Row(ends.replaced, ALL_ANSWERED),
]

#: These take long, or differ little from another one: only ``make faults`` has them.
ROWS_OF_THE_TABLE = [
    Row(ends.worker, {reply_sent: ANSWER}, boxed=True),
    Row(ends.config_broken, BEGUN_ONES_ANSWERED),
    Row(ends.second_gateway, BEGUN_ONES_ANSWERED),
    Row(ends.replaced_hard, NONE_TWICE, CUT),
]
if TABLE:
    ROWS += ROWS_OF_THE_TABLE


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_message_has_the_promised_outcome(stage: Stage, row: Row) -> None:
    if row.boxed and (obstacle := launchers.check("bubblewrap")) is not None:
        pytest.skip(f"NOT SHOWN: {obstacle}")
    place = ("boxed", BOXED) if row.boxed else None
    words = f"{row.end.__name__}{' boxed' if row.boxed else ''}"
    with brought_about(stage, list(row.promises), words, place) as cases:
        if row.end in END_THE_GATEWAY:
            row.end(cases)
            wait_for_words(cases)
            others = Others(stage)
            others.ask()
        else:
            others = Others(stage)
            with others.talking():
                row.end(cases)
                wait_for_words(cases)
    ledger = stage.root.path / "hermes-router" / "ledger.jsonl"
    wait_until(lambda: not open_messages(ledger), RECOVERY_SECONDS, "a message has no outcome")
    time.sleep(QUIET)
    seen = {case.moment: case.seen() for case in cases}
    for case in cases:
        stage.ask("and now?", case.topic, contains="and now?")
    left = left_over(stage)
    for case in cases:
        note_row(case, row, seen[case.moment], others, left)
    for case in cases:
        assert ", ".join(map(kind, seen[case.moment])) == row.promises[case.moment], seen
        assert all(belongs(case, row, text) for text in seen[case.moment]), seen
    assert others.wrong() == []
    assert left == []


@dataclass
class Others:
    """Another profile's messages, one after the other; ``seconds`` is what each answer took.

    They are in a chat of their own: Hermes sends to a chat when what it sent there before has
    arrived.
    """

    stage: Stage
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._after, self._asked = self.stage.telegram.seq, self.stage.model.seq

    def ask(self) -> None:
        telegram, text, begun = self.stage.telegram, self._text(), time.monotonic()
        after = telegram.seq
        telegram.say(text, chat_id=USER)
        telegram.wait_reply(USER, contains=text, after=after, timeout=ANSWER_SECONDS)
        self.seconds.append(time.monotonic() - begun)

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Have the other profile talked with from now on, and until the last one is answered."""
        over = threading.Event()

        def talk() -> None:
            while not over.is_set():
                self.stage.wait_settled("systems")  # a message in its end would interrupt it
                self.ask()

        with ThreadPoolExecutor(1) as pool:
            talks = pool.submit(talk)
            try:
                yield
            finally:
                over.set()
            talks.result()

    def wrong(self) -> list[str]:
        """Return what was said to them, if that is not one answer of their profile to each."""
        calls = self.stage.telegram.calls("sendMessage", "sendRichMessage", after=self._after)
        texts = [c.text for c in calls if c.error is None and c.params.get("chat_id") == USER]
        asked = self.stage.model.requests("chat", api_key="systems-key", after=self._asked)
        answers = [f"echo: {spoken(request.last_user)}" for request in asked]
        ours = [f"echo: {self._text(number)}" for number in range(len(self.seconds))]
        return [] if texts == answers == ours else [*texts, "from systems:", *answers]

    def shown(self) -> str:
        return f"{len(self.seconds)} answered, {max(self.seconds):.1f} s at most"

    def _text(self, number: int | None = None) -> str:
        return f"all well, {len(self.seconds) if number is None else number}?"


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


def belongs(case: Case, row: Row, text: str) -> bool:
    """Say whether an answer is the message's own, and a line after a dead gateway names it.

    Where a turn is continued after a restart, the model gets Hermes's note, and the message before
    the note, or after it. A reply that a stop cut off on its way comes again below Hermes's mark.
    """
    if text.startswith(RECOVERED):
        text = text.partition("\n\n")[2]
    if kind(text) == ANSWER and NOTE in text:
        asked = case.stage.model.requests("chat")
        return any(NOTE in one.last_user and case.text in str(one.json) for one in asked)
    if kind(text) == ANSWER:
        return text.startswith(("echo: ", "late: ")) and text.endswith(case.text)
    return row.line in text and (row.end not in END_THE_GATEWAY or f"“{case.text}”" in text)


def left_over(stage: Stage) -> list[str]:
    """Return what is left of the turns when all had time to end: messages, words, processes."""
    found: list[str] = []

    def nothing() -> bool:
        tree = stage.gateway.tree()
        known = {stage.gateway.pid, *(process.pid for process in tree)}
        found[:] = [
            *open_messages(stage.root.path / "hermes-router" / "ledger.jsonl"),
            *map(str, stage.root.path.glob("profiles/*/hermes-router/waiting/*")),
            *(p.cmdline for p in tree if p.role == "busy" or TOOL in p.cmdline),
            *(str(p) for p in stage.gateway.leftovers() if p.pid not in known),
        ]
        return not found

    try:
        wait_until(nothing, RECOVERY_SECONDS)
    except TimeoutError:
        return found
    return []


def note_row(case: Case, row: Row, seen: list[str], others: Others, left: list[str]) -> None:
    """Write a row of the table."""
    if TABLE:
        words = " / ".join(text.replace("\n", " ")[:100] for text in seen) or "nothing"
        cells = (
            *(case.moment.__doc__, row.what, row.promises[case.moment], words),
            *(f"{case.seconds:.1f}", others.shown(), ", ".join(left) or "nothing"),
        )
        with Path(TABLE).open("a", encoding="utf-8") as file:
            file.write(f"| {' | '.join(map(str, cells))} |\n")
