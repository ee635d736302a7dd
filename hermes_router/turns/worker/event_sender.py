"""Send messages with their files to a turn's worker, and wait until it accepts or refuses them.

A message is offered to the worker: the worker may be about to leave, and then refuses it.
"""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from hermes_router.base.errors import CannotBeSent, ProtocolError
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import MAX_FRAME_BYTES, FrameError
from hermes_router.turns.worker.event_track import EventTrack, TakenEvents
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.worker_log import one_line

#: Maximum number of characters of the reason why a message cannot be encoded.
_REASON = 200


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message for the session, ready to be sent to a worker.

    Attributes:
        fields: the fields of Hermes's event. ``source`` are those of its source.
        files: the paths of its attachments.
        received: when it arrived, in monotonic seconds.
        allowed_commands: the only commands that the gateway's rules let the sender give; None if
            they allow every command.
        too_large: the attachments above the size limit, with their sizes; they are not sent.
        wake: this is no message of a person: it is time for the session's recurring prompts.
        at_once: it is a command that needs no model. It waits for no slot, and for no earlier
            message of its session that does.
        track: follows the message to its outcome.
    """

    fields: Mapping[str, Any]
    source: Mapping[str, Any]
    files: Sequence[Path] = ()
    received: float = field(default_factory=time.monotonic)
    allowed_commands: list[str] | None = None
    sticker: msg.Sticker | None = None
    too_large: Sequence[str] = ()
    wake: bool = False
    at_once: bool = False
    track: EventTrack = field(default_factory=EventTrack)


class DeliveryResult(enum.Enum):
    """Whether a turn's worker accepted the message that was offered to it."""

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()  # the worker was leaving and did nothing with it
    LOST = enum.auto()  # the worker ended before it said either


@dataclass(slots=True)
class PendingEvent:
    """A message that is offered to a worker, with the worker's decision.

    Attributes:
        answer: the worker accepts the message only if an approval or a question waits for a
            person's answer.
        accepted: set when ``verdict`` is known, also if the worker refused.
        handled: set when the worker's adapter has handled the message.
        halted: True if the message stopped the worker's work.
        sent: True if the message was sent to the worker.
        left: True if nobody waits for the decision any more.
    """

    inbound: InboundMessage
    answer: bool = False
    accepted: anyio.Event = field(default_factory=anyio.Event)
    handled: anyio.Event = field(default_factory=anyio.Event)
    verdict: DeliveryResult = DeliveryResult.LOST
    halted: bool = False
    sent: bool = False
    left: bool = False


class EventOffers:
    """Offers messages to one worker, and remembers those that the worker accepts.

    Attributes:
        connected: set when the worker knows its session, or has ended before that.
        accepted: how many messages the worker has accepted.
        first: the first message that was offered: the worker was started for it.
        taken: the accepted messages that have no outcome yet.
    """

    def __init__(self, takes: Callable[[], bool]) -> None:
        self.connected = anyio.Event()
        self.accepted = 0
        self.first: InboundMessage | None = None
        self.taken = TakenEvents()
        self._takes = takes
        self._worker: WorkerProcess | None = None
        self._sending = anyio.Lock()
        self._offers: dict[int, PendingEvent] = {}
        self._last_id = 0
        self._sent = False
        self._offering = 0

    @property
    def needed(self) -> bool:
        """True if the worker was sent a message, or if somebody offers it one now.

        If False, a turn whose only message was withdrawn may end its worker.
        """
        return self._sent or self._offering > 0

    def connect(self, worker: WorkerProcess) -> None:
        """Let messages be offered to ``worker`` from now on: it has been told its session.

        Earlier calls of :meth:`offer` have waited for that, and go on.
        """
        self._worker = worker
        self.connected.set()

    def close(self, *, stopped: bool = False) -> None:
        """Let every call of :meth:`offer` return, because the worker is gone.

        Each accepted message gets its :class:`Outcome`. With ``stopped`` the gateway's stop ended
        the worker: messages that it had begun are then cut off, and the next gateway continues
        them.
        """
        self.connected.set()
        self.taken.close(stopped=stopped)
        for offer in self._offers.values():
            if not offer.left:
                offer.accepted.set()
                offer.handled.set()

    async def offer(self, offer: PendingEvent, *, until_handled: bool) -> None:
        """Offer a message to the worker and wait for its decision; it is then ``offer.verdict``.

        With ``until_handled`` also wait until the worker has handled an accepted message. If the
        worker accepts no messages any more, the verdict is REFUSED at once; if it ends meanwhile,
        LOST.

        Raises:
            CannotBeSent: it is too long, or one of its files cannot be read.
        """
        self.first = self.first or offer.inbound
        self._offering += 1
        try:
            await self._offer(offer, until_handled=until_handled)
        finally:
            self._offering -= 1

    async def _offer(self, offer: PendingEvent, *, until_handled: bool) -> None:
        await self.connected.wait()
        if not self._takes() or self._worker is None:
            offer.verdict = DeliveryResult.REFUSED
            return
        self._last_id += 1
        number = self._last_id
        self._offers[number] = offer
        try:
            async with self._sending:
                await self._send(self._worker, number, offer)
            await offer.accepted.wait()
            if until_handled and offer.verdict is DeliveryResult.ACCEPTED:
                await offer.handled.wait()
        except OSError:
            offer.verdict = DeliveryResult.LOST
        finally:
            offer.left = True
            if offer.accepted.is_set() or not offer.sent:  # else the worker may still accept it
                self._offers.pop(number, None)

    async def _send(self, worker: WorkerProcess, number: int, offer: PendingEvent) -> None:
        inbound = offer.inbound
        files = [await self._send_file(worker, path) for path in inbound.files]
        event = msg.Event(
            id=number,
            answer=offer.answer,
            fields=dict(inbound.fields),
            source=dict(inbound.source),
            files=files,
            allowed_commands=inbound.allowed_commands,
            sticker=inbound.sticker,
            wake=inbound.wake,
        )
        before = self._sent
        self._sent = offer.sent = True  # a frame is completed, also if this is cancelled meanwhile
        try:
            await worker.send(event)
        except (FrameError, ValueError, TypeError, OverflowError) as error:
            self._sent, offer.sent = before, False
            raise CannotBeSent(_why(error)) from error

    async def _send_file(self, worker: WorkerProcess, path: Path) -> msg.FileRef:
        self._last_id += 1
        stream, size = self._last_id, 0
        async with contextlib.aclosing(_pieces_of(path)) as pieces:
            async for data in pieces:
                size += len(data)
                await worker.send(msg.Chunk(stream=stream, data=data))
        return msg.FileRef(stream=stream, name=path.name, size=size)

    def note_decision(self, message: msg.Accepted | msg.Refused | msg.Handled) -> None:
        """Pass the worker's decision about an event to the call of :meth:`offer` that waits for it.

        If that call was cancelled, an accepted message still counts as accepted.

        Raises:
            ProtocolError: no event with this number was sent.
        """
        if message.event > self._last_id:
            raise ProtocolError(f"the worker answered event {message.event}, which nobody sent")
        offer = self._offers.get(message.event)
        if offer is None:
            return
        if isinstance(message, msg.Handled):
            offer.halted = message.halted
            offer.handled.set()
            return
        accepted = isinstance(message, msg.Accepted)
        if accepted:
            self.accepted += 1
            self.taken.take(message.event, offer.inbound.track)
        offer.verdict = DeliveryResult.ACCEPTED if accepted else DeliveryResult.REFUSED
        offer.accepted.set()
        if offer.left:
            del self._offers[message.event]


async def _pieces_of(path: Path) -> AsyncGenerator[bytes]:
    try:
        async with await anyio.open_file(path, "rb") as file:
            while data := await file.read(msg.CHUNK_BYTES):
                yield data
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CannotBeSent(f"its file {path.name} cannot be read ({why})") from error


def _why(error: Exception) -> str:
    """Return why a message cannot be sent, as the end of a sentence about it."""
    if isinstance(error, FrameError):
        return f"it is too long, and may have {MAX_FRAME_BYTES // 2**20} MB at most"
    return f"it cannot be encoded ({one_line(str(error), _REASON)})"
