"""Write and read the worker log of a profile: lines about each turn, and all that workers print.

The file is ``<profile home>/logs/hermes-router-worker.log``. It has a line when a turn begins, the
worker's stderr, and a line with exit and durations when the turn ends. The profile's own processes
can write in that folder, so the gateway opens the file without following links.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

FILE_NAME = "hermes-router-worker.log"

#: Maximum number of characters of one value in a log line: a worker may have chosen the value.
_LONGEST = 1000

_LINE = re.compile(r"(?P<time>\S+) hermes-router (?P<what>begin|worker|end)(?P<pairs>(?: .*)?)")
_TOLD = frozenset({"begin", "worker", "end"})
_PAIR = re.compile(r' (?P<name>[\w.]+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^ "]+))')
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


#: Of each log: held while it is rotated, as two turns that begin at once would rotate it twice.
_rotating: dict[Path, threading.Lock] = {}


@dataclass(frozen=True, slots=True)
class WorkerLog:
    """The worker log of one profile, in ``folder``. It is rotated by size between turns.

    A file with ``max_bytes`` bytes is rotated; ``backups`` old files are kept. With ``as_json``
    each line of the gateway is a JSON object.
    """

    folder: Path
    max_bytes: int
    backups: int
    as_json: bool = False

    @property
    def path(self) -> Path:
        """The path of the log file that is written now, not one that was rotated."""
        return self.folder / FILE_NAME

    def open(self) -> int:
        """Rotate the log if needed, and return a descriptor that appends to it (a worker's stderr).

        Raises:
            OSError: the log folder or file is a link, or cannot be written.
        """
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with _rotating.setdefault(self.folder, threading.Lock()):
                self._rotate(folder)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(FILE_NAME, flags, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self.path} is not a regular file")
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
    """Append one line of the gateway: the time, the event ``what`` and ``name=value`` pairs.

    With ``as_json`` the line is a JSON object with the same values.

    Raises:
        OSError: the line could not be written in full, for example because the disk is full.
    """
    moment = datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
    if as_json:
        line = {"time": moment, "event": what, **fields}
        _write(descriptor, msgspec.json.encode({name: _in_json(v) for name, v in line.items()}))
        return
    pairs = " ".join(f"{name}={plain(value)}" for name, value in fields.items())
    _write(descriptor, f"{moment} hermes-router {what} {pairs}".encode())


def _write(descriptor: int, line: bytes) -> None:
    data = line + b"\n"
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _in_json(value: object) -> object:
    """Return ``value`` without characters that UTF-8 cannot write, such as bytes of a file name."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def plain(value: object) -> str:
    """Return ``value`` as one word of a log line: shortened, and quoted if it is no plain word.

    A shortened text has at most 1000 characters. :func:`pairs_of` reads it back.
    """
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if text.isprintable() and text and not set(text) & set(' "=\\'):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def one_line(text: str, most: int = _LONGEST) -> str:
    """Return an untrusted text for a log line: printable, and cut after ``most`` characters.

    If it was cut, its full length follows in parentheses.
    """
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
    """Return how a process ended, in words: its exit status, or the name of its signal."""
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
    """One turn as a worker log describes it; a value is None if the log does not say it (yet).

    ``phases`` are seconds since the turn began: ``start`` (the process exists), ``ready`` (Hermes
    is built), ``model_request``, ``reply`` (delivered, state saved), ``gone``. Two kinds differ:
    ``queue`` is how long the message had waited before, and ``ready.*`` are the durations of the
    parts of ``ready``, as the worker has measured them. All other times are by the gateway's clock.
    ``exit`` is None while the turn runs. ``start`` is ``prepared``, ``cold``, or ``none`` if no
    worker was started.
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
    """Return the turns of one worker log, oldest first; an empty list if there is no file.

    A worker prints into the same file, so it can forge such lines. Use the records for people and
    statistics only, never for decisions.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return parse_turns(lines)
    except FileNotFoundError:
        return []


def parse_turns(lines: Iterable[str]) -> list[TurnRecord]:
    """Return the turns in the lines of a worker log, in the order in which they began."""
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
    """Return the event, time and values of a line of the gateway; None for any other line."""
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
    """Return the ``name=value`` pairs in the text of a log line, with quoted values unquoted."""
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
