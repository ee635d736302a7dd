r"""How a line that a process has printed stands in a worker log.

All processes of a profile write into one log file, and the gateway writes lines into it too. A
reader must be able to tell a printed line from the gateway's lines and from those of other turns,
and a printed line must not act on the reader's terminal. So each line stands after its time and the
id of its turn, and control characters are shown as ``\x1b``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: Written where a line belongs to no turn yet.
NO_TURN = "-"

#: A longer line is written in pieces.
_LINE_BYTES = 16 * 1024

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")


def now() -> str:
    """Return the time as in a worker log: ISO 8601 with milliseconds and the local offset."""
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")


def whole_lines(data: bytes) -> tuple[bytes, bytes]:
    """Split what was printed into the whole lines, without their last newline, and the rest.

    The rest is a line whose end is not there yet: the caller passes it again with what is printed
    later. A line that is too long already counts as whole, and the rest is empty then.
    """
    lines, _newline, rest = data.rpartition(b"\n")
    return (data, b"") if len(rest) > _LINE_BYTES else (lines, rest)


def printed_lines(data: bytes, turn: str, *, as_json: bool) -> bytes:
    """Return what was printed as lines of the log, all with the time that it is now.

    ``data`` has no newline at its end. With ``as_json`` each line is a JSON object with ``time``,
    ``turn`` and ``text``.
    """
    lines = _CONTROL.sub(_escaped, data).split(b"\n")
    if as_json:
        texts = [line.decode(errors="replace") for line in lines]
        return b"".join(json_line({"turn": turn, "text": text}) for text in texts)
    head = f"{now()} {turn} ".encode()
    return b"".join(head + line + b"\n" for line in lines)


def json_line(fields: dict[str, object]) -> bytes:
    """Return a line of a log of JSON objects: the time that it is now, and the fields."""
    import json  # noqa: PLC0415 - most supervisors never need it

    return json.dumps({"time": now(), **fields}, ensure_ascii=False).encode() + b"\n"


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in match[0])
