"""The ledger of messages: what became of each routed message, on disk in the gateway's home.

A message is written down, and synced, before its turn starts. Each later step that matters for its
outcome is one more line. A gateway that starts reads what the one before it left, and knows of each
message whether it was answered, answered in part, begun, or not begun.

The ledger says where a message was sent and who sent it, never what it said: the words lie in the
profile's home (:mod:`hermes_router.state.kept_event`). It also knows the messages of the last days,
settled or not, so that one that a platform delivers again starts no second turn.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec

from hermes_router.state.append_log import AppendLog

logger = logging.getLogger(__name__)

#: Messages that are known again, and for how many seconds: Telegram keeps an update for a day.
KNOWN, KNOWN_SECONDS = 4096, 48 * 3600.0

#: Bytes at which the file is written anew, with what still matters.
COMPACT_BYTES = 4 * 1024 * 1024

#: Texts of one message's answer whose names are remembered.
_NAMES = 100


class Step(enum.StrEnum):
    """How far a message has come; a later one replaces an earlier one."""

    ACCEPTED = "accepted"  # nothing was done for it yet
    BEGUN = "begun"  # the model was asked: tools may have run
    SAID = "said"  # something of its answer can be read
    TRYING = "trying"  # the end of its answer is being sent
    STALLED = "stalled"  # that takes so long that nobody can say whether it arrives
    CUT_OFF = "cut_off"  # an orderly stop interrupted it: its session can go on with it
    RESUMED = "resumed"  # it was gone on with after that, which is done once
    ANSWERED = "answered"  # the end of its answer was delivered
    SETTLED = "settled"  # it has its outcome


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """By what a platform's message is known again.

    ``parts`` are all that were joined into one message, none where the platform gives no ids. Each
    is an id and what tells apart messages that share it, such as an edit.
    """

    platform: str
    chat_id: str
    parts: tuple[tuple[str, str], ...] = ()

    def keys(self) -> list[str]:
        """Return one short name for each id."""
        start = f"{self.platform}\0{self.chat_id}\0"
        names = (f"{start}{number}\0{mark}" for number, mark in self.parts)
        return [hashlib.sha256(n.encode("utf-8", "replace")).hexdigest()[:20] for n in names]


class _Line(msgspec.Struct, omit_defaults=True):
    """One line of the file. ``keys``, ``profile``, ``session``, ``source`` come with the first."""

    id: str
    step: Step
    at: float
    keys: list[str] = []
    profile: str = ""
    session: str = ""
    source: dict[str, Any] = {}
    name: str = ""


class Entry:
    """One message in the ledger. What it notes is never refused: a full disk costs the note."""

    def __init__(self, ledger: Ledger, line: _Line) -> None:
        self.id, self.at = line.id, line.at
        self.profile, self.session, self.source = line.profile, line.session, line.source
        self.keys = line.keys
        self.step = line.step
        #: Set when the message has its outcome.
        self.outcome = anyio.Event()
        self.names: list[str] = []
        #: Whether the disk has it: only then does the next gateway know of the message.
        self.recorded = True
        self._before = Step.ACCEPTED
        self._ledger = ledger

    def begun(self) -> None:
        """Note that work has begun that may not be done twice."""
        if self.step is Step.ACCEPTED:
            self._ledger.note(self, Step.BEGUN)

    def said(self) -> None:
        """Note that people can read something of the answer."""
        if self.step in {Step.ACCEPTED, Step.BEGUN}:
            self._ledger.note(self, Step.SAID)

    def cut_off(self) -> None:
        """Note that an orderly stop of the gateway interrupted the work."""
        if self.step in {Step.BEGUN, Step.SAID}:
            self._ledger.note(self, Step.CUT_OFF)

    def resumed(self) -> None:
        """Note that the work goes on after such a stop."""
        if self.step is Step.CUT_OFF:
            self._ledger.note(self, Step.RESUMED)

    def trying(self, name: str) -> None:
        """Note that the end of the answer, the text called ``name``, is sent from now on."""
        if self.step not in {Step.TRYING, Step.STALLED, Step.ANSWERED, Step.SETTLED}:
            self._before = self.step
        if self.step is not Step.SETTLED:
            self._ledger.note(self, Step.TRYING, name)

    def stalled(self) -> None:
        """Note that sending takes so long that it may fail."""
        if self.step is Step.TRYING:
            self._ledger.note(self, Step.STALLED)

    def failed(self) -> None:
        """Note that the end of the answer did not arrive."""
        if self.step in {Step.TRYING, Step.STALLED}:
            self._ledger.note(self, self._before)

    def answered(self) -> None:
        """Note that the end of the answer was delivered."""
        if self.step not in {Step.ANSWERED, Step.SETTLED}:
            self._ledger.note(self, Step.ANSWERED)

    def settle(self) -> None:
        """Note that the message has its outcome."""
        if self.step is not Step.SETTLED:
            self._ledger.note(self, Step.SETTLED)

    def apply(self, line: _Line) -> None:
        """Take over what a line says."""
        self.step = line.step
        if line.name:
            self.names = [*self.names, line.name][-_NAMES:]


class Ledger:
    """The messages of one gateway, in ``file``; lives in the gateway's event loop."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log = AppendLog(file, _Line)
        self._open: dict[str, Entry] = {}
        self._known: OrderedDict[str, float] = OrderedDict()
        self._failing = False
        self._read()

    @property
    def open(self) -> list[Entry]:
        """Return the messages without an outcome, the oldest first."""
        return list(self._open.values())

    def of(self, number: str) -> Entry | None:
        """Return the open message with this id."""
        return self._open.get(number)

    def known(self, identity: Identity) -> bool:
        """Say whether this message was accepted before: the platform delivers it again."""
        keys, oldest = identity.keys(), time.time() - KNOWN_SECONDS
        return bool(keys) and all(self._known.get(key, 0.0) > oldest for key in keys)

    def accept(
        self, identity: Identity, *, profile: str, session: str, source: Mapping[str, Any]
    ) -> Entry:
        """Enter a message; it is known from now on. :meth:`record` puts it on the disk."""
        line = _Line(
            id=uuid.uuid4().hex[:12],
            step=Step.ACCEPTED,
            at=time.time(),
            keys=identity.keys(),
            profile=profile,
            session=session,
            source=dict(source),
        )
        self._remember(line)
        entry = self._open[line.id] = Entry(self, line)
        entry.recorded = False
        return entry

    def record(self, entry: Entry) -> bool:
        """Write a new message to the disk and sync it; say whether that was possible. Blocks."""
        entry.recorded = self._append(_first_line(entry), sync=True)
        return entry.recorded

    def note(self, entry: Entry, step: Step, name: str = "") -> None:
        """Write down a step of a message."""
        line = _Line(id=entry.id, step=step, at=time.time(), name=name)
        entry.apply(line)
        if step is Step.SETTLED:
            self._open.pop(entry.id, None)
            entry.outcome.set()
        if entry.recorded:
            self._append(line)
        if self._log.size > COMPACT_BYTES and step is Step.SETTLED:
            self._compact()

    # -- the file ------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            lines = self._log.read()
        except OSError as error:
            logger.warning("%s cannot be read: %s", self._file, error)
            return
        for line in lines:
            if line.step is Step.ACCEPTED and (line.session or line.keys):
                self._remember(line)
                if line.session:
                    self._open[line.id] = Entry(self, line)
            elif (entry := self._open.get(line.id)) is not None:
                entry.apply(line)
                if line.step is Step.SETTLED:
                    del self._open[line.id]
        if lines:
            self._compact()

    def _remember(self, line: _Line) -> None:
        for key in line.keys:
            self._known[key] = line.at
            self._known.move_to_end(key)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def _compact(self) -> None:
        """Write the file anew: what is open, and what is known."""
        oldest = time.time() - KNOWN_SECONDS
        mine = {key for entry in self._open.values() for key in entry.keys}
        lines = [
            _Line(id="", step=Step.ACCEPTED, at=at, keys=[key])
            for key, at in self._known.items()
            if at > oldest and key not in mine
        ]
        for entry in self._open.values():
            lines.append(_first_line(entry))
            lines += [
                _Line(id=entry.id, step=entry.step, at=entry.at, name=name)
                for name in (entry.names or [""])
                if entry.step is not Step.ACCEPTED or name
            ]
        try:
            self._log.replace(lines)
        except OSError as error:
            self._log.size = 0  # not again with each line
            self._warn(error)

    def _append(self, line: _Line, *, sync: bool = False) -> bool:
        try:
            self._log.append(line, sync=sync)
        except OSError as error:
            self._warn(error)
            return False
        self._failing = False
        return True

    def _warn(self, error: OSError) -> None:
        """Log that the disk takes no notes, once until it does again."""
        level = logging.DEBUG if self._failing else logging.WARNING
        self._failing = True
        logger.log(level, "%s: what becomes of messages cannot be noted: %s", self._file, error)


def _first_line(entry: Entry) -> _Line:
    return _Line(
        id=entry.id,
        step=Step.ACCEPTED,
        at=entry.at,
        keys=entry.keys,
        profile=entry.profile,
        session=entry.session,
        source=entry.source,
    )
