"""`Stage`: a side's gateway with its servers, and the load that is put on it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.kit import FORUM, Call, FakeModel, FakeTelegram, Gateway
from tests.tools.bench import processes, sides
from tests.tools.bench.sides import Setup

TURN_SECONDS = 150.0
"""Longest wait for one answer."""

_QUIET_CPU = 0.025
_SETTLE_SECONDS = 45.0
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, in seconds, as seen from outside."""

    before: float
    """From the update to the model request, without the batching that the setup leaves out."""
    after: float
    """From the end of the model's reply to `sendMessage`."""

    @property
    def total(self) -> float:
        return self.before + self.after


class Stage:
    """A running gateway of one side.

    It is entered when Hermes has connected the platform and nothing is being prepared any more.
    """

    def __init__(self, side: str, setup: Setup) -> None:
        self.side = side
        self.setup = setup
        self._said = 0
        self._fresh = TOPICS_IN_USE
        self._known: set[int] = set()
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
            )
            self.telegram = stack.enter_context(FakeTelegram())
            self.model = stack.enter_context(FakeModel())
            base = Path(folder)
            self.root = sides.build(base, self.side, self.setup, self.telegram, self.model)
            gateway = Gateway(self.root)
            gateway.command = processes.open_to_their_user(gateway.command)
            self.gateway = stack.enter_context(gateway)
            self.gateway.wait_log("telegram connected", log="agent.log")
            self.settle(1.0)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def routed(self) -> bool:
        """True if workers serve the turns on this side, so that there is a worker log."""
        return self.side == sides.B

    def cpu(self) -> float:
        """Return the CPU seconds of the whole process tree so far."""
        return processes.cpu_seconds(self.gateway.pid)

    def settle(self, quiet: float = 0.3) -> None:
        """Return when the tree has hardly used the CPU for `quiet` seconds, or after a while."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        used, since = self.cpu(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < quiet:
            time.sleep(_LOOK)
            if (now := self.cpu()) - used > _QUIET_CPU:
                used, since = now, time.monotonic()

    def fresh_topic(self, profile: int = 0) -> int:
        """Return a topic that nobody has written to."""
        with self._lock:
            self._fresh += 1
            return sides.topic(profile, self._fresh - 1)

    def acquaint(self, topics: Iterable[int]) -> None:
        """Have each of these topics speak once, if it has not, so that its session is not new."""
        for topic in topics:
            if topic not in self._known:
                self.turn(topic)
        self.settle()

    def turn(self, topic: int, directives: str = "") -> Turn:
        """Say something in a topic, and wait for the answer."""
        with self._lock:
            self._said += 1
            self._known.add(topic)
            text = f"message {self._said:05d} {directives}".rstrip()
        mark = text[:13]
        telegram, model = self.telegram, self.model
        calls, asked, begun = telegram.seq, model.seq, time.monotonic()
        telegram.say(text, chat_id=FORUM, thread_id=topic)
        request = model.wait_chat(mark, timeout=TURN_SECONDS, after=asked, done=True)
        call = telegram.wait_for(self._shows(mark), TURN_SECONDS, calls)
        before = request.at - begun - self.setup.batching
        return Turn(before, call.at - (request.finished_at or call.at))

    def _shows(self, mark: str) -> Callable[[Call], bool]:
        """Return what recognises the call that shows a text; a streamed answer may be an edit."""
        methods = {"sendmessage", "editmessagetext"} if self.setup.streaming else {"sendmessage"}
        return lambda call: call.method.casefold() in methods and mark in call.text

    def streamed_turn(self, topic: int, words: int, pause: float) -> float:
        """Say something whose answer the model writes word by word, `pause` seconds apart.

        Returns the seconds until the platform has the whole answer.
        """
        with self._lock:
            self._said += 1
            self._known.add(topic)
            end = f"end{self._said:05d}"
        answer = " ".join([*(f"word{number}" for number in range(1, words)), end])
        calls, begun = self.telegram.seq, time.monotonic()
        text = f"[[stream {pause}]] [[say {answer}]]"
        self.telegram.say(text, chat_id=FORUM, thread_id=topic)
        whole = self.telegram.wait_for(lambda c: end in c.text, TURN_SECONDS, calls)
        return whole.at - begun


TOPICS_IN_USE = 10
"""The first topics of each profile: figures speak in them again and again."""
