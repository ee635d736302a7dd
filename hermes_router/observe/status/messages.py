"""The messages of the status socket, on which a running gateway reports its state.

A client sends one line of JSON, an :class:`Ask`, and gets one line, an :class:`Answer`. A client
cannot change anything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes_router.observe.figures import Today
from hermes_router.turns.story import TurnReport

VERSION = 1
ASKS = ("status", "metrics")

#: Maximum bytes of a request and of an answer.
MAX_REQUEST = 4096
MAX_ANSWER = 16 * 1024 * 1024


def socket_of(home: Path) -> Path:
    """Return the path of the Unix socket on which the gateway with this home tells its status."""
    return home / "hermes-router" / "status.sock"


class Worker(msgspec.Struct, kw_only=True):
    """A process of a profile, with its descendants.

    ``role`` is ``template``, ``ready``, ``busy``, ``resident``, ``leaving`` or ``job``. ``phase``
    is the last one that its turn has reached, as in the worker log, or ``sending`` while the reply
    is being sent. ``age`` and ``cpu`` are in seconds, ``memory`` is in bytes. ``waits_for_person``
    is True while nobody has answered an approval or a question of the turn.
    """

    pid: int
    role: str
    turn: str = ""
    place: str = ""
    phase: str = ""
    waits_for_person: bool = False
    age: float = 0.0
    memory: int = 0
    cpu: float = 0.0


class WaitingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message waits for a free turn of its profile, and for how many seconds."""

    place: str
    seconds: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A routed profile. ``waiting`` has the seconds that each waiting message has waited so far.

    ``waiting_places`` also says where they wait; an older gateway does not tell it.
    ``start_problem`` says why its workers cannot be started. ``unexpected_ends`` counts processes
    that ended by themselves with an error, ``refused_calls`` calls that its workers may not make.
    """

    name: str
    routes: int = 0
    usable: bool = True
    problem: str = ""
    start_problem: str = ""
    concurrent_turns: int = 0
    workers: list[Worker] = []
    waiting: list[float] = []
    waiting_places: list[WaitingMessage] = []
    unexpected_ends: int = 0
    refused_calls: int = 0
    today: Today = Today()
    last_failure: TurnReport | None = None

    @property
    def busy(self) -> int:
        """How many turns the profile has running; one that waits for a person does not count.

        The profile may have ``concurrent_turns`` of them.
        """
        return sum(w.role == "busy" and not w.waits_for_person for w in self.workers)

    @property
    def memory(self) -> int:
        """The memory of all its processes, in bytes."""
        return sum(worker.memory for worker in self.workers)


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration in use. ``error`` says why the last edit of the file was refused.

    ``unmatched_platforms`` holds who answers without a route on platforms that have their own rule;
    an older gateway does not tell it.
    """

    file: str = ""
    routes: int = 0
    unmatched: str = ""
    unmatched_platforms: dict[str, str] = {}
    warm_profiles: int = 0
    warm_memory_bytes: int = 0
    error: str = ""
    problems: list[str] = []


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the router. ``closed`` says which places get no answer, and why.

    ``routing_closed`` is why no router runs in the gateway, or "". The rest is then mostly empty.
    ``uptime`` is in seconds. ``updated`` has a line for people for each part of the installation
    that was updated on disk since the gateway's start. ``outcomes`` counts messages since then.
    """

    pid: int
    home: str
    uptime: float
    versions: dict[str, str] = {}
    configuration: Configuration = Configuration()
    profiles: list[Profile] = []
    closed: list[str] = []
    routing_closed: str = ""
    updated: list[str] = []
    outcomes: dict[str, int] = {}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A client's request: ``ask`` is ``status`` for a :class:`Status`, or ``metrics`` for text."""

    version: int = VERSION
    ask: str = "status"


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer; one of ``status``, ``metrics`` and ``error`` is set."""

    version: int = VERSION
    status: Status | None = None
    metrics: str | None = None
    error: str | None = None


_encoder = msgspec.json.Encoder()
_ask = msgspec.json.Decoder(Ask)
_answer = msgspec.json.Decoder(Answer)


def encode(message: Ask | Answer) -> bytes:
    """Return a message as one line of JSON."""
    return _encoder.encode(message) + b"\n"


def decode_ask(line: bytes) -> Ask:
    """Return the request in a line; raises ``msgspec.MsgspecError`` if it is none."""
    return _ask.decode(line)


def decode_answer(line: bytes) -> Answer:
    """Return the answer in a line; raises ``msgspec.MsgspecError`` if it is none."""
    return _answer.decode(line)
