"""What a running gateway says about itself when it is asked; the socket's messages.

A client sends one line of JSON, :class:`Ask`, and gets one line, :class:`Answer`. It can change
nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes_router.observe.figures import Today
from hermes_router.turns.story import TurnReport

VERSION = 1
ASKS = ("status", "metrics")

#: Bytes of a request; an answer may be larger.
MAX_REQUEST = 4096
MAX_ANSWER = 16 * 1024 * 1024


def socket_of(home: Path) -> Path:
    """Return where the gateway of a home listens."""
    return home / "hermes-router" / "status.sock"


class Worker(msgspec.Struct, kw_only=True):
    """A process of a profile, with all below it. ``age`` is in seconds, ``memory`` in bytes.

    ``role`` is ``template``, ``ready``, ``busy``, ``resident``, ``leaving`` or ``job``.
    """

    pid: int
    role: str
    turn: str = ""
    place: str = ""
    phase: str = ""
    age: float = 0.0
    memory: int = 0
    cpu: float = 0.0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A routed profile. ``waiting`` has the seconds that each waiting message has waited."""

    name: str
    routes: int = 0
    usable: bool = True
    problem: str = ""
    concurrent_turns: int = 0
    workers: list[Worker] = []
    waiting: list[float] = []
    today: Today = Today()
    last_failure: TurnReport | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration in force. ``error`` says why the last edit of the file is not."""

    file: str = ""
    routes: int = 0
    unmatched: str = ""
    warm_profiles: int = 0
    warm_memory_bytes: int = 0
    error: str = ""
    problems: list[str] = []


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. ``closed`` says what is not answered, and why."""

    pid: int
    home: str
    uptime: float
    versions: dict[str, str] = {}
    configuration: Configuration = Configuration()
    profiles: list[Profile] = []
    closed: list[str] = []
    outcomes: dict[str, int] = {}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants: ``status``, or ``metrics`` as text."""

    version: int = VERSION
    ask: str = "status"


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it gets: one of the three."""

    version: int = VERSION
    status: Status | None = None
    metrics: str | None = None
    error: str | None = None


_encoder = msgspec.json.Encoder()
_ask = msgspec.json.Decoder(Ask)
_answer = msgspec.json.Decoder(Answer)


def encode(message: Ask | Answer) -> bytes:
    """Return one line."""
    return _encoder.encode(message) + b"\n"


def decode_ask(line: bytes) -> Ask:
    """Return what a client wants; raises ``msgspec.MsgspecError``."""
    return _ask.decode(line)


def decode_answer(line: bytes) -> Answer:
    """Return what a gateway answered; raises ``msgspec.MsgspecError``."""
    return _answer.decode(line)
