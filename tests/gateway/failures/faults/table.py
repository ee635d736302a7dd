"""A row of the table of faults: what ends in which moments of a turn, and what the chats saw.

A row passes if each chat saw exactly what is promised; if another profile answered each message
meanwhile, or right after where the gateway itself ended; and if nothing is left over.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import ANSWER_SECONDS, Stage, open_messages
from tests.gateway.failures.faults import ends_around
from tests.gateway.failures.faults.ends import ENDS_THE_GATEWAY, End
from tests.gateway.failures.faults.moments import (
    GOING,
    TOOL,
    Case,
    Moment,
    bring_near,
    mend,
    messages_for,
)
from tests.gateway.failures.outcomes import NOTE, QUIET, RECOVERED
from tests.kit import FORUM, USER
from tests.kit.model.script import spoken
from tests.kit.probes.gateway_use import Use, at_rest, growth, use
from tests.kit.waiting import wait_until

#: Where ``make faults`` wants a line for each row.
TABLE = os.environ.get("HERMES_ROUTER_FAULTS", "")
RECOVERY_SECONDS = 150.0

#: While these last, no step of a message is written down.
NO_LEDGER = frozenset({ends_around.ledger_full, ends_around.ledger_read_only})

#: Each conversation is told of that.
TOLD_TO_ALL = NO_LEDGER | {ends_around.ledger_full_and_killed}

UNRECORDED = "could not record it"

#: While these last, no profile is answered.
NOBODY_IS_ANSWERED = ENDS_THE_GATEWAY | {
    ends_around.adapter_lost,
    ends_around.adapter_replaced,
    ends_around.home_read_only,
    ends_around.ledger_full_and_killed,
    ends_around.ledger_read_only,
}

ANSWER, LINE, PART, NOTHING = "answered", "one line", "a part", "nothing"

#: What Hermes itself says in a worker of a turn that it could not do, on each version.
HERMES_FAILED = ("This turn did not complete",)

#: How many messages of others say what an answer takes, at the least.
_SOME = 5 if TABLE else 2

#: How much more a gateway may use after a row: memory of what it does for the first time, and the
#: threads of its pools, stay with it.
_MIB, _THREADS = 64.0, 40

#: A secret of the profiles that must not lie anywhere when their turns are over.
SECRET = "a-secret-of-theirs"
KEEPS_SECRET = {"terminal": {"env_passthrough": ["MY_SECRET"]}}

Promises = Mapping[Moment, str]


@dataclass(frozen=True)
class Row:
    """What ends in which moments, what is promised to each, and what a line must say."""

    end: End
    promises: Promises
    line: str = ""
    boxed: bool = False
    often: tuple[Moment, ...] = ()
    """The moments that are looked at without ``make faults``; all, if none is named."""

    @property
    def looked_at(self) -> Promises:
        """What is promised in the moments that are looked at now."""
        wanted = self.promises if TABLE or not self.often else self.often
        return {moment: self.promises[moment] for moment in wanted}

    @property
    def what(self) -> str:
        return f"{self.end.__doc__}{' With `bubblewrap`.' if self.boxed else ''}"

    @property
    def words(self) -> str:
        """Words in each of its messages, by which they are told from those of other rows."""
        return f"{self.end.__name__}{' boxed' if self.boxed else ''}".replace("_", " ")

    def __str__(self) -> str:
        return f"{self.end.__name__}{'-bubblewrap' if self.boxed else ''}"


def check(stage: Stage, row: Row) -> None:
    """Have a row happen, note what came of it, and see that it is what is promised."""
    if row.boxed and (obstacle := launchers.check("bubblewrap")) is not None:
        pytest.skip(f"NOT SHOWN: {obstacle}")
    stage.wait_answered(RECOVERY_SECONDS)
    before = at_rest(stage.gateway, 0)
    with messages_for(stage, row.looked_at, row.words, boxed=row.boxed) as cases:
        others = Others(stage, (*GOING, *[UNRECORDED] * (row.end in TOLD_TO_ALL)))
        happen(row, cases, others)
        if row.end not in NO_LEDGER:
            assert stage.wait_answered(RECOVERY_SECONDS), [case.seen() for case in cases]
        time.sleep(QUIET)
        seen = {case.moment: case.seen() for case in cases}
        mend(cases)
        for case in cases:
            stage.ask("and now?", case.topic, contains="and now?")
        left = left_over(stage, before)
    for case in cases:
        note(case, row, seen[case.moment], others, left)
    for case in cases:
        assert kinds(case, seen[case.moment]) == row.promises[case.moment], seen
        assert all(belongs(case, row, text) for text in seen[case.moment]), seen
    assert others.elsewhere() == []
    assert others.wrong() == [], others.wrong()
    assert left == [], left


def happen(row: Row, cases: list[Case], others: Others) -> None:
    """Bring the messages into their moments, have it end, and wait for what the chats are told."""
    if row.end in NOBODY_IS_ANSWERED:
        with others.talking():
            reach = bring_near(cases)
        reach()
        row.end(cases)
        wait_for_words(cases, row)
        others.harmed()
        for _ in range(_SOME):
            others.ask()
    else:
        with others.talking():
            reach = bring_near(cases)
            reach()
            others.wait_some()
            others.harmed()
            row.end(cases)
            wait_for_words(cases, row)


@dataclass
class Others:
    """Another profile's messages, one after the other; ``seconds`` is what each answer took.

    They are in a chat of their own: Hermes sends to a chat when what it sent there before has
    arrived.
    """

    stage: Stage
    also: tuple[str, ...]
    """Words of what they may be told besides."""
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._after, self._asked = self.stage.telegram.seq, self.stage.model.seq
        self._before = 0

    def harmed(self) -> None:
        """Take the answers from now on for those that something may have kept back."""
        self._before = len(self.seconds)

    def wait_some(self) -> None:
        """Wait until one or two of them are answered."""
        wait_until(lambda: len(self.seconds) > 1, ANSWER_SECONDS, "others are not answered")

    def ask(self) -> None:
        self.stage.wait_settled("systems")  # a message in its end would interrupt it
        telegram, text, begun = self.stage.telegram, self._text(), time.monotonic()
        after = telegram.seq
        telegram.say(text, chat_id=USER)
        telegram.wait_reply(USER, contains=text, after=after, timeout=ANSWER_SECONDS)
        self.seconds.append(time.monotonic() - begun)

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Have the other profile talked with from now on, and until the last one is answered."""
        over, begun = threading.Event(), len(self.seconds)

        def talk() -> None:
            while not over.is_set() or len(self.seconds) < begun + _SOME:
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
        texts = self._said()
        asked = self.stage.model.requests("chat", api_key="systems-key", after=self._asked)
        answers = [f"echo: {spoken(request.last_user)}" for request in asked]
        return [] if texts == answers == self._ours() else [*texts, "from systems:", *answers]

    def elsewhere(self) -> list[str]:
        """Return what was sent to the forum itself, which no message of a row came from."""
        calls = self.stage.telegram.calls("sendMessage", "sendRichMessage", after=self._after)
        return [c.text for c in calls if c.error is None and c.place == (FORUM, None)]

    def shown(self) -> str:
        """Return how many were answered, and how long nearly all of them took then and before."""
        texts = self._said()
        failed = sum(texts.count(answer) != 1 for answer in self._ours())
        before, during = (p95(part) for part in (self.seconds[: self._before], self._during))
        times = f"p95 {during:.2f} s, {during / before:.1f} times the {before:.2f} s before"
        return f"{len(self.seconds) - failed} answered, {failed} failed, {times}"

    @property
    def _during(self) -> list[float]:
        return self.seconds[self._before :] or self.seconds[-1:]

    def _said(self) -> list[str]:
        calls = self.stage.telegram.calls("sendMessage", "sendRichMessage", after=self._after)
        ours = [c.text for c in calls if c.error is None and c.params.get("chat_id") == USER]
        return [text for text in ours if not any(words in text for words in self.also)]

    def _ours(self) -> list[str]:
        return [f"echo: {self._text(number)}" for number in range(len(self.seconds))]

    def _text(self, number: int | None = None) -> str:
        return f"all well, {len(self.seconds) if number is None else number}?"


def p95(seconds: list[float]) -> float:
    """Return what 95 of 100 of them do not exceed."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def wait_for_words(cases: list[Case], row: Row) -> None:
    """Wait until each chat was told what is promised, or nothing more is to come."""
    begun = time.monotonic()  # how long a start of the gateway takes is Hermes's own
    ledger = cases[0].stage.root.path / "hermes-router" / "ledger.jsonl"
    settled = begun

    def over() -> bool:
        nonlocal settled
        for case in cases:
            if not case.seconds and kinds(case, case.seen()) == row.promises[case.moment]:
                case.seconds = max(0.01, time.monotonic() - begun)
        if open_messages(ledger):
            settled = time.monotonic()
        return all(case.seconds for case in cases) or time.monotonic() - settled > 2 * QUIET

    with suppress(TimeoutError):  # what is missing is seen by who compares
        wait_until(over, RECOVERY_SECONDS)


def kinds(case: Case, texts: list[str]) -> str:
    """Say which texts are answers, or a part of one, and which say what became of a message."""
    return ", ".join(_kind(case, text) for text in texts) or NOTHING


def _kind(case: Case, text: str) -> str:
    if text.startswith("⚠️") or any(words in text for words in HERMES_FAILED):
        return LINE
    return ANSWER if text.endswith((case.text, case.ahead)) or NOTE in text else PART


def belongs(case: Case, row: Row, text: str) -> bool:
    """Say whether an answer is the message's own, and a line after a dead gateway names it.

    Where a turn is continued after a restart, the model gets Hermes's note, and the message before
    the note, or after it. A reply that a stop cut off on its way comes again below Hermes's mark.
    """
    if text.startswith(RECOVERED):
        text = text.partition("\n\n")[2]
    if _kind(case, text) == LINE:
        names = any(f"“{words}”" in text for words in (case.text, case.ahead))
        return row.line in text and (row.end not in ENDS_THE_GATEWAY or names)
    if NOTE in text:
        asked = case.stage.model.requests("chat")
        return any(NOTE in one.last_user and case.text in str(one.json) for one in asked)
    return text.startswith(("echo: ", "late: "))


def left_over(stage: Stage, before: Use) -> list[str]:
    """Return what is left of the turns when all had time to end.

    That is: messages, words, processes, files with secrets, and what the gateway uses more.
    """
    found: list[str] = []
    looks: list[Callable[[], list[str]]] = [
        lambda: open_messages(stage.root.path / "hermes-router" / "ledger.jsonl"),
        lambda: [str(path) for path in stage.root.path.glob("profiles/*/hermes-router/waiting/*")],
        lambda: _processes(stage),
        lambda: [str(path) for path in secrets_in(stage, SECRET)],
        lambda: growth(before, use(stage.gateway, 0), mib=_MIB, threads=_THREADS),
    ]

    def nothing() -> bool:
        found[:] = [one for look in looks for one in look()]
        return not found

    try:
        wait_until(nothing, RECOVERY_SECONDS)
    except TimeoutError:
        return found
    return []


def _processes(stage: Stage) -> list[str]:
    tree = stage.gateway.tree()
    known = {stage.gateway.pid, *(process.pid for process in tree)}
    busy = [p.cmdline for p in tree if p.role == "busy" or TOOL in p.cmdline]
    return busy + [str(p) for p in stage.gateway.leftovers() if p.pid not in known]


def secrets_in(stage: Stage, secret: str) -> list[Path]:
    """Return the files with a profile's secret in the places that are made for workers."""
    found = []
    for folder, _folders, names in os.walk(stage.root.gateway_environ()["TMPDIR"]):
        for path in (Path(folder, name) for name in names):
            with suppress(OSError):  # its worker ends, or it is no file
                if path.is_file() and secret in path.read_text("latin-1"):
                    found.append(path)
    return found


def note(case: Case, row: Row, seen: list[str], others: Others, left: list[str]) -> None:
    """Write a line of the table."""
    if TABLE:
        words = " / ".join(text.replace("\n", " ")[:100] for text in seen) or "nothing"
        cells = (
            *(case.moment.__doc__, row.what, row.promises[case.moment], words),
            *(f"{case.seconds:.1f}", others.shown(), ", ".join(left) or "nothing"),
        )
        with Path(TABLE).open("a", encoding="utf-8") as file:
            file.write(f"| {' | '.join(map(str, cells))} |\n")
