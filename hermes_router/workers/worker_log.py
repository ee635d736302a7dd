"""The per-profile worker log: what each turn's process did, and everything that it printed.

One file per profile, ``<profile home>/logs/hermes-router-worker.log``: a header line when a turn
begins, the worker's own stderr, an end line with its exit and durations. The file lies where the
profile's own processes can write, so that it is opened without following links.
"""

from __future__ import annotations

import os
import re
import signal
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

FILE_NAME = "hermes-router-worker.log"

#: Characters of one value in a log line; a worker may have chosen it.
_LONGEST = 1000

_LINE = re.compile(r"(?P<time>\S+) hermes-router (?P<what>begin|worker|end)(?P<pairs>(?: .*)?)")
_TOLD = frozenset({"begin", "worker", "end"})
_PAIR = re.compile(r' (?P<name>[\w.]+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^ "]+))')
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class WorkerLog:
    """One profile's worker log: appended to, and rotated by size between turns.

    ``backups`` files of ``max_bytes`` bytes are kept beside the current one. With ``as_json`` each
    line is a JSON object.
    """

    folder: Path
    max_bytes: int
    backups: int
    as_json: bool = False

    @property
    def path(self) -> Path:
        """The current file."""
        return self.folder / FILE_NAME

    def open(self) -> int:
        """Return a descriptor that appends to the log; it is the worker's stderr.

        Raises:
            OSError: the log folder or file is a link, or cannot be written.
        """
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            self._rotate(folder)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(FILE_NAME, flags, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self.path} is no regular file")
        os.set_blocking(descriptor, True)
        return descriptor

    def _rotate(self, folder: int) -> None:
        try:
            size = os.stat(FILE_NAME, dir_fd=folder, follow_symlinks=False).st_size
        except FileNotFoundError:
            return
        if size < self.max_bytes:
            return
        names = [FILE_NAME, *(f"{FILE_NAME}.{number}" for number in range(1, self.backups + 1))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            try:
                os.replace(newer, older, src_dir_fd=folder, dst_dir_fd=folder)
            except FileNotFoundError:
                continue


def write_line(
    descriptor: int, what: str, fields: Mapping[str, object], *, as_json: bool = False
) -> None:
    """Append one line: time, ``what``, and ``name=value`` pairs, or all that as a JSON object."""
    moment = datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
    if as_json:
        line = {"time": moment, "event": what, **fields}
        os.write(descriptor, msgspec.json.encode(line) + b"\n")
        return
    pairs = " ".join(f"{name}={plain(value)}" for name, value in fields.items())
    os.write(descriptor, f"{moment} hermes-router {what} {pairs}\n".encode())


def plain(value: object) -> str:
    """Return ``value`` as one word of a log line: no control character, no space in it."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if text.isprintable() and text and not set(text) & set(' "=\\'):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def one_line(text: str, most: int = _LONGEST) -> str:
    """Return what an untrusted side said as a part of one log line: printable, and not too long."""
    cut = text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
    return cut if cut.isprintable() else "".join(map(_escaped_in_text, cut))


def _escaped_in_text(char: str) -> str:
    return char if char.isprintable() else _escaped(char)


def _escaped(char: str) -> str:
    if char.isprintable() and char not in '"\\':
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def exit_text(returncode: int | None) -> str:
    """Say how a process ended: its status, or its signal by name."""
    if returncode is None:
        return "unknown"
    if returncode >= 0:
        return f"status {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


@dataclass(slots=True)
class TurnRecord:
    """What a worker log tells of one turn; None for what it does not tell (yet).

    ``phases`` are seconds since the turn began: ``start`` (the process exists), ``ready`` (Hermes
    is up), ``model_request``, ``reply`` (delivered, state saved), ``gone``. But ``queue`` is how
    long the message had waited before, and ``ready.*`` are the parts of getting ready. ``exit`` is
    None while the turn runs. ``start`` is ``prepared`` or ``cold``. Times are the gateway's.
    """

    turn: str
    profile: str | None = None
    session: str | None = None
    launcher: str | None = None
    began: datetime | None = None
    pid: int | None = None
    start: str | None = None
    hermes: str | None = None
    exit: str | None = None
    failure: str | None = None
    outcome: str | None = None
    error: str | None = None
    model: str | None = None
    phases: dict[str, float] = field(default_factory=dict)


def read_turns(path: Path) -> list[TurnRecord]:
    """Return the turns of one worker log, oldest first; none where there is no file.

    The worker's own output stands in the same file, so that a worker can write lines like these.
    The records are for people and statistics: nothing may be decided by them.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return parse_turns(lines)
    except FileNotFoundError:
        return []


def parse_turns(lines: Iterable[str]) -> list[TurnRecord]:
    """Return the turns that the lines of a worker log tell of, in the order of their beginnings."""
    records: dict[str, TurnRecord] = {}
    for line in lines:
        parsed = _parsed(line.rstrip("\n"))
        if parsed is None:
            continue
        what, moment, values = parsed
        turn = values.pop("turn", "")
        if turn:
            record = records.setdefault(turn, TurnRecord(turn))
            _note(record, what, moment, values)
    return list(records.values())


def _parsed(line: str) -> tuple[str, str, dict[str, str]] | None:
    """Return what a line of the gateway's own tells of, when, and its values; None for others."""
    if (match := _LINE.fullmatch(line)) is not None:
        return match["what"], match["time"], pairs_of(match["pairs"])
    if not line.startswith("{"):
        return None
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    values = {name: str(value) for name, value in fields.items()}
    what, moment = values.pop("event", ""), values.pop("time", "")
    return (what, moment, values) if what in _TOLD else None


def _note(record: TurnRecord, what: str, moment: str, values: dict[str, str]) -> None:
    if what == "begin":
        record.began = _time(moment)
        record.profile = values.get("profile")
        record.session = values.get("session")
        record.launcher = values.get("launcher")
        record.start = values.get("start")
    elif what == "worker":
        record.pid = int(values["pid"]) if values.get("pid", "").isdecimal() else None
        record.hermes = values.get("hermes")
    else:
        record.exit = values.pop("exit", None)
        record.failure = values.pop("failure", None)
        record.outcome = values.pop("outcome", None)
        record.error = values.pop("error", None)
        record.model = values.pop("model", None)
        record.phases = {name: s for name, text in values.items() if (s := _seconds(text)) >= 0}


def pairs_of(text: str) -> dict[str, str]:
    """Return the ``name=value`` pairs of a log line."""
    return {
        match["name"]: match["bare"] if match["quoted"] is None else _plain_again(match["quoted"])
        for match in _PAIR.finditer(text)
    }


def _plain_again(quoted: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2] or match[3], 16)), quoted)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
