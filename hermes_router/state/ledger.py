"""The ledger of messages: a file in the gateway's home with the progress of each routed message.

A message is written to the file, and synced, before its turn starts. Each later step is one more
line. A gateway that starts reads the file of the gateway before it. So it knows for each message
whether it was answered, answered in part, begun or not begun. An entry without an outcome is open.

The ledger stores where a message was sent and who sent it, but never its text: the text is in the
profile's home (:mod:`hermes_router.state.kept_event`). The ledger also recognises the messages of
the last days, so that a message which a platform delivers twice starts only one turn.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec

from hermes_router.state.append_log import AppendLog

logger = logging.getLogger(__name__)

#: Maximum number of messages that are recognised, and for how many seconds. Telegram keeps an
#: update for a day.
KNOWN, KNOWN_SECONDS = 4096, 48 * 3600.0

#: If the file has more bytes, it is written anew with only the lines that are still needed.
COMPACT_BYTES = 4 * 1024 * 1024

#: Maximum number of steps that wait until the disk takes them.
_MISSED = 4096

#: Maximum number of texts of one message's answer whose names are remembered.
_NAMES = 100


class Step(enum.StrEnum):
    """How far the work on one message has come; the newest step in the file counts.

    After a crash, the next gateway decides by it: serve the message, send its reply or a notice.
    """

    ACCEPTED = "accepted"  # nothing was done for it yet
    BEGUN = "begun"  # the model was asked: tools may have run
    SAID = "said"  # people can read a part of its answer
    TRYING = "trying"  # the last part of its answer is being sent
    STALLED = "stalled"  # sending takes so long that nobody knows whether the text arrives
    CUT_OFF = "cut_off"  # an orderly stop of the gateway interrupted it: its session can resume
    RESUMED = "resumed"  # a gateway resumed it after such a stop; this happens only once
    ANSWERED = "answered"  # the last part of its answer was delivered
    SETTLED = "settled"  # it has its outcome


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The ids by which a message of a platform is recognised when it is delivered again.

    Several messages of the platform may be joined into one; ``parts`` has an entry for each, and is
    empty if the platform gives no ids. An entry is an id and a mark, which tells apart messages
    with the same id, such as an edit. ``bot`` is the profile whose own bot received the message, ""
    for the gateway's: each bot counts the messages of a person's private chat.
    """

    platform: str
    chat_id: str
    parts: tuple[tuple[str, str], ...] = ()
    bot: str = ""

    def keys(self) -> list[str]:
        """Return a short hash for each part; the ledger remembers these, not the ids."""
        start = f"{self.platform}\0{self.chat_id}\0" + (f"{self.bot}\0" if self.bot else "")
        names = (f"{start}{number}\0{mark}" for number, mark in self.parts)
        return [hashlib.sha256(n.encode("utf-8", "replace")).hexdigest()[:20] for n in names]


class _Line(msgspec.Struct, omit_defaults=True):
    """One line of the file. A message's first line has its keys, profile, session and source.

    ``turn`` is the id of the turn that was given the message last.
    """

    id: str
    step: Step
    at: float
    keys: list[str] = []
    profile: str = ""
    session: str = ""
    source: dict[str, Any] = {}
    name: str = ""
    turn: str = ""


class Entry:
    """One routed message in the ledger, with the newest step of the work on it.

    The methods record a step each, and never raise: a step that cannot be written now is written
    when the disk takes it. A step that comes too late changes nothing.

    Attributes:
        at: when the gateway accepted the message, Unix time in seconds.
        names: the hashes of the texts of its answer whose sending has begun.
        turn: the id of the turn that was given the message last, "" before there is one. It is
            written with the next step.
    """

    def __init__(self, ledger: Ledger, line: _Line) -> None:
        self.id, self.at = line.id, line.at
        self.profile, self.session, self.source = line.profile, line.session, line.source
        self.keys = line.keys
        self.turn = line.turn
        self.step = line.step
        #: Set when the message has its outcome.
        self.outcome = anyio.Event()
        #: For a message that an earlier gateway left open: set when the router has got it again.
        #: ``taken`` then says whether this gateway serves it, or has settled it.
        self.seen = anyio.Event()
        self.taken = False
        self.names: list[str] = []
        #: True if the message is on the disk: only then the next gateway knows it.
        self.recorded = True
        self._before = Step.ACCEPTED
        self._sent: set[str] = set()
        self._ledger = ledger

    def begun(self) -> None:
        """Record that the model was asked. After a crash, no gateway serves this message again.

        Tools may have run, so a second time could repeat what they did.
        """
        if self.step is Step.ACCEPTED:
            self._ledger.note(self, Step.BEGUN)

    def said(self) -> None:
        """Record that people can read a part of the answer.

        If the gateway dies now, the notice says that it died in the middle of the answer.
        """
        if self.step in {Step.ACCEPTED, Step.BEGUN}:
            self._ledger.note(self, Step.SAID)

    def cut_off(self) -> None:
        """Record that the gateway's orderly stop interrupted this turn.

        The next gateway then continues it. A text that counted as its answer may be only a part of
        a stream.
        """
        if self.step in {Step.BEGUN, Step.SAID, Step.ANSWERED}:
            self._ledger.note(self, Step.CUT_OFF)

    def take(self) -> bool:
        """Note that this gateway serves a message which an earlier one left open.

        If a stop had cut off its turn, the turn is now resumed. Returns False if the message was
        taken before: then the caller must not serve it a second time.
        """
        if self.taken:
            return False
        self.taken = True
        self.seen.set()
        self.resumed()
        return True

    def resumed(self) -> None:
        """Record that this gateway continues the interrupted turn, so that no later one does."""
        if self.step is Step.CUT_OFF:
            self._ledger.note(self, Step.RESUMED)

    def trying(self, name: str) -> None:
        """Record that the platform is asked to send the last part of the answer.

        If the gateway dies now, the answer counts as delivered. ``name`` is the hash of the text.
        Hermes may send the end of a stream twice: the second time this does nothing, because the
        platform may refuse it.
        """
        if self.step is Step.ANSWERED and name in self._sent:
            return
        if self.step not in {Step.TRYING, Step.STALLED, Step.ANSWERED, Step.SETTLED}:
            self._before = self.step
        if self.step is not Step.SETTLED:
            self._ledger.note(self, Step.TRYING, name)

    def stalled(self) -> None:
        """Record that the platform has not confirmed the last part of the answer for seconds.

        If the gateway dies now, the answer no longer counts as delivered.
        """
        if self.step is Step.TRYING:
            self._ledger.note(self, Step.STALLED)

    def failed(self) -> None:
        """Return to the step before :meth:`trying`: the last part of the answer was not sent."""
        if self.step in {Step.TRYING, Step.STALLED}:
            self._ledger.note(self, self._before)

    def answered(self) -> None:
        """Record that the last part of the answer was sent.

        If the gateway dies now, the next one has nothing to do for this message.
        """
        if self.step not in {Step.ANSWERED, Step.SETTLED}:
            self._sent.update(self.names[-1:])
            self._ledger.note(self, Step.ANSWERED)

    def settle(self) -> None:
        """Close the entry: the message has its outcome, and the next gateway ignores it.

        This also sets the event ``outcome``. A second call does nothing.
        """
        if self.step is not Step.SETTLED:
            self._ledger.note(self, Step.SETTLED)

    def apply(self, line: _Line) -> None:
        """Take over the step, the turn and the text's hash from a line of the ledger's file.

        Only the ledger calls this.
        """
        self.step = line.step
        self.turn = line.turn or self.turn
        if line.name:
            self.names = [*self.names, line.name][-_NAMES:]


class Ledger:
    """The messages of one gateway, stored in ``file``.

    Making the object reads what the gateway before left there. It is used in the gateway's event
    loop; only :meth:`record` runs in threads, beside the loop. If the file cannot be written, this
    is logged once, and messages are served all the same.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log = AppendLog(file, _Line)
        self._open: dict[str, Entry] = {}
        self._known: OrderedDict[str, float] = OrderedDict()
        self._failing = False
        self._missed: deque[_Line] = deque(maxlen=_MISSED)
        self._flushing = threading.Lock()  # held by who changes ``_missed``: the loop, or a thread
        self._read()

    @property
    def open(self) -> list[Entry]:
        """Return the entries of all messages without an outcome, the oldest first.

        The crash recovery settles those that an earlier gateway left.
        """
        return list(self._open.values())

    def of(self, number: str) -> Entry | None:
        """Return the open entry with this id; None if there is none.

        The entry of a message that has its outcome is not open.
        """
        return self._open.get(number)

    def known(self, identity: Identity) -> bool:
        """Return True if all parts of a message were accepted before, at most 48 hours ago.

        Then the platform has delivered the same message again, and it is not served. A message
        without ids is always new.
        """
        keys, oldest = identity.keys(), time.time() - KNOWN_SECONDS
        return bool(keys) and all(self._known.get(key, 0.0) > oldest for key in keys)

    def accept(
        self, identity: Identity, *, profile: str, session: str, source: Mapping[str, Any]
    ) -> Entry:
        """Make an entry for a new message and return it; :meth:`record` writes it to the disk.

        From now on, :meth:`known` recognises the message. ``session`` is the key of its session.
        """
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
        """Write the first line of a new entry and sync it to the disk; return True on success.

        This blocks, so call it in a thread. After a failure, the next gateway does not know of the
        message.
        """
        entry.recorded = self._append(_first_line(entry), sync=True)
        return entry.recorded

    def note(self, entry: Entry, step: Step, name: str = "") -> None:
        """Set the step of a message and write it to the file, without a sync to the disk.

        ``name`` is the hash of a text that is being sent, or empty. Entries call this.
        """
        line = _Line(id=entry.id, step=step, at=time.time(), name=name, turn=entry.turn)
        entry.apply(line)
        if step is Step.SETTLED:
            self._open.pop(entry.id, None)
            entry.taken = True
            entry.seen.set()
            entry.outcome.set()
        if entry.recorded and not self._append(line):
            with self._flushing:
                self._missed.append(line)
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
        """Write the file anew, with the open messages and the keys of recent messages."""
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
            with self._flushing:
                self._log.replace(lines)
                self._missed.clear()
        except OSError as error:
            self._log.size = 0  # else each further line would try it again
            self._warn(error)

    def _append(self, line: _Line, *, sync: bool = False) -> bool:
        try:
            with self._flushing:
                while self._missed:  # else a message that was answered meanwhile would stay open
                    self._log.append(self._missed[0])
                    self._missed.popleft()
            self._log.append(line, sync=sync)
        except OSError as error:
            self._warn(error)
            return False
        self._failing = False
        return True

    def _warn(self, error: OSError) -> None:
        """Log that the file cannot be written; once, until writing works again."""
        level = logging.DEBUG if self._failing else logging.WARNING
        self._failing = True
        logger.log(level, "%s: the outcomes of messages cannot be written: %s", self._file, error)


def _first_line(entry: Entry) -> _Line:
    return _Line(
        id=entry.id,
        step=Step.ACCEPTED,
        at=entry.at,
        keys=entry.keys,
        profile=entry.profile,
        session=entry.session,
        source=entry.source,
        turn=entry.turn,
    )
