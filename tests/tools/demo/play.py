"""The conversation: says each line, waits for its answer, and keeps what could be observed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field

from hermes_router.workers.worker_log import FILE_NAME, read_turns
from tests.kit import Gateway, HermesRoot, Message
from tests.tools.demo.stage import WHERE, WHO, Place

ANSWER_SECONDS = 120.0
"""Longest wait for one answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One message and its answer; `answer` is empty when none came."""

    place: Place
    said: str
    answer: str
    seconds: float
    asked: frozenset[tuple[str, str]] = frozenset()
    """Model and key of each request that the model server got for it."""


@dataclass(slots=True)
class Observation:
    """What was seen in one place."""

    place: Place
    exchanges: list[Exchange] = field(default_factory=list)
    posted: tuple[str, ...] = ()
    """The texts of all messages that bots posted there."""
    bots: frozenset[str] = frozenset()
    """Tokens of the bots that posted there."""
    worker_pids: frozenset[int] = frozenset()
    """The processes that the worker log of the place's profile tells of."""

    def answer(self, question: str) -> str:
        """Return the answer to the message that ends in `question`, or nothing."""
        return next((e.answer for e in self.exchanges if e.said.endswith(question)), "")

    def told(self, name: str) -> str:
        """Return what the terminal in this place printed after `name=`."""
        found = re.search(rf"^{name}=(.*)$", self.answer(WHERE), re.MULTILINE)
        return found[1].strip() if found else ""

    @property
    def pid(self) -> int | None:
        """The process that ran the terminal."""
        return int(self.told("pid")) if self.told("pid").isdigit() else None

    @property
    def asked(self) -> frozenset[tuple[str, str]]:
        """Model and key of everything that the model server was asked."""
        return frozenset().union(*(e.asked for e in self.exchanges))

    @property
    def reply_seconds(self) -> float | None:
        """How long the plain question took: model asked, no tool."""
        return next((e.seconds for e in self.exchanges if e.said == WHO and e.answer), None)


def lines(place: Place) -> dict[str, str]:
    """Return what the user says in a place, each with what marks the final answer."""
    return {
        "/profile": "Profile:",
        f"Call me {place.name}. {WHERE}": "My terminal says",
        WHO: "You are",
    }


def ask(root: HermesRoot, place: Place, said: str, deadline: float) -> Exchange:
    """Say one of the place's lines and wait for the answer.

    For `ANSWER_SECONDS` at most, and not beyond `deadline` (`time.monotonic()`).
    """
    asked = root.model.seq
    begun = time.monotonic()
    patience = max(1.0, min(ANSWER_SECONDS, deadline - begun))
    answer = _answer(root, place, said, patience)
    seconds = time.monotonic() - begun
    requests = root.model.requests("chat", after=asked)
    return Exchange(place, said, answer, seconds, frozenset((r.model, r.api_key) for r in requests))


def look(root: HermesRoot, place: Place, exchanges: list[Exchange]) -> Observation:
    """Return what was seen in a place, when the conversation is over and the workers are gone."""
    posted = root.telegram.transcript(place.chat_id, place.thread_id)
    pids: frozenset[int] = frozenset()
    if place.routed:
        log = root.profiles[place.profile].path / "logs" / FILE_NAME
        pids = frozenset(turn.pid for turn in read_turns(log) if turn.pid is not None)
    return Observation(
        place=place,
        exchanges=exchanges,
        posted=tuple(message.text for message in posted),
        bots=frozenset(message.token or "" for message in posted),
        worker_pids=pids,
    )


def wait_for_workers(root: HermesRoot, patience: float = 30.0) -> list[str]:
    """Wait until every turn's worker has ended by itself; return which has not, in words.

    Processes that are prepared for the next message stay until the gateway stops.
    """
    deadline = time.monotonic() + patience
    while running := _running(root):
        if time.monotonic() > deadline:
            return [f"before the gateway stopped: turns go on: {', '.join(running)}"]
        time.sleep(0.1)
    return []


def _running(root: HermesRoot) -> list[str]:
    return [
        f"{name} {turn.turn}"
        for name, home in root.profiles.items()
        for turn in read_turns(home.path / "logs" / FILE_NAME)
        if turn.exit is None
    ]


def stop(gateway: Gateway) -> list[str]:
    """Ask the gateway to stop, as an operator would; return what it left behind, in words."""
    os.kill(gateway.pid, signal.SIGTERM)
    try:
        gateway.wait_exit(timeout=30)
        gateway.wait_no_leftovers(timeout=5)
    except subprocess.TimeoutExpired:
        return ["the gateway did not stop when it was asked to"]
    except TimeoutError as error:
        return [f"after the gateway stopped: {error}"]
    return []


def _answer(root: HermesRoot, place: Place, said: str, patience: float) -> str:
    telegram, before, mark = root.telegram, root.telegram.seq, lines(place)[said]
    telegram.say(said, chat_id=place.chat_id, thread_id=place.thread_id)

    def final(message: Message) -> bool:
        return mark in message.text or message.text.startswith("\N{WARNING SIGN}")

    try:
        reply = telegram.wait_reply(
            place.chat_id, place.thread_id, after=before, timeout=patience, where=final
        )
    except TimeoutError:
        return ""
    return reply.text
