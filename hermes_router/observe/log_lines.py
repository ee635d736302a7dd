"""Parse the lines of the gateway's log, worker logs and profiles' logs into one kind of entry.

A process may write anything into its log. So use entries for people only, never for decisions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from hermes_router.turns.story import FAILED
from hermes_router.workers.worker_log import pairs_of

#: The log levels, the lowest first.
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Maximum number of lines of one entry; an entry with a traceback has many.
_MOST_LINES = 500

_OWN = re.compile(r"(?P<time>\S+T\S+) hermes-router (?P<event>[a-z]+)(?P<pairs>(?: .*)?)")
_PRINTED = re.compile(r"(?P<time>\d{4}-\S+T\S+) (?P<turn>[0-9a-f]{8}|-) (?P<text>.*)")
_HERMES = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>[A-Z]+)(?P<tag>(?: \[[^\]]*\])*) "
    r"(?P<text>\S+: .*)"
)
_TURN_PAIR = re.compile(r" turn=\S+")
_TAGGED = re.compile(r"\[turn ([0-9a-f]{8})\]")
_NAMED = re.compile(r"\bturn ([0-9a-f]{8})\b")
_WORD = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")


class Entry(msgspec.Struct, kw_only=True):
    """One entry of a log: its first line, and the lines that belong to it.

    ``time`` is in Unix seconds; ``source`` is ``gateway``, ``worker`` or ``profile``. Usually
    ``lines`` begin with ``first_line``; without it they are those that the log got later.
    ``printed`` is True for what a worker has printed.
    """

    time: float
    source: str
    profile: str
    level: str = "INFO"
    turn: str = ""
    first_line: str
    lines: list[str]
    printed: bool = False

    def at_least(self, level: str) -> bool:
        """Return True if the entry has this level, such as ``WARNING``, or a higher one."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


def entries(
    lines: Iterable[str], source: str, profile: str, *, before: Entry | None = None
) -> Iterator[Entry]:
    """Yield the entries of a log; a line that begins no entry belongs to the entry before it.

    So do the lines that a worker prints at the same moment as a warning or an error: a traceback.
    ``before`` is the entry that the log had before these lines. If the first of them belong to it,
    the first entry has all that it has, but only these lines.
    """
    current = None if before is None else msgspec.structs.replace(before, lines=[])
    for line in lines:
        text = line.rstrip("\n")
        begun = _parsed(text, source, profile)
        if begun is None or _goes_on(current, begun):
            if current is not None and len(current.lines) < _MOST_LINES:
                current.lines.append(text if begun is None else begun.first_line)
            continue
        if current is not None and current.lines:
            yield current
        current = begun
    if current is not None and current.lines:
        yield current


def _goes_on(current: Entry | None, begun: Entry) -> bool:
    """Return True if a line that a worker has printed belongs to the entry before it."""
    if current is None or not (current.printed and begun.printed):
        return False
    same = (current.time, current.turn) == (begun.time, begun.turn)
    return same and current.at_least("WARNING") and begun.level == "INFO"


def _parsed(line: str, source: str, profile: str) -> Entry | None:
    made = _worker_line(line) if source == "worker" else _hermes_line(line, source)
    if made is None:
        return None
    time, level, turn, text, printed = made
    return Entry(
        time=time,
        source=source,
        profile=profile,
        level=level,
        turn=turn,
        first_line=text,
        lines=[text],
        printed=printed,
    )


_Made = tuple[float, str, str, str, bool]


def _hermes_line(line: str, source: str) -> _Made | None:
    match = _HERMES.match(line)
    if match is None:
        return None
    # In a profile's log only the tag after the level is ours; the text may name any turn.
    named = _TAGGED.search(match["tag"]) or (
        _NAMED.search(match["text"]) if source == "gateway" else None
    )
    time = _seconds(match["time"].replace(",", "."))
    level = match["level"] if match["level"] in LEVELS else "INFO"
    turn = named[1] if named else ""
    return None if time is None else (time, level, turn, match["text"], False)


def _worker_line(line: str) -> _Made | None:
    if line.startswith("{"):
        return _json_line(line)
    if (own := _OWN.fullmatch(line)) is not None:
        values = pairs_of(own["pairs"])
        time = _seconds(own["time"])
        text = f"{own['event']}{_TURN_PAIR.sub('', own['pairs'], 1)}"
        level = "WARNING" if own["event"] == "limit" else _level(values)
        turn = values.get("turn", "").strip("-")
        return None if time is None else (time, level, turn, text, False)
    if (printed := _PRINTED.fullmatch(line)) is not None:
        time, text = _seconds(printed["time"]), printed["text"]
        turn = printed["turn"].strip("-")
        return None if time is None else (time, _printed_level(text), turn, text, True)
    return None


def _json_line(line: str) -> _Made | None:
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
        time = _seconds(str(fields.pop("time")))
    except (msgspec.MsgspecError, KeyError):
        return None
    if time is None:
        return None
    turn = str(fields.pop("turn", "")).strip("-")
    if "text" in fields:
        text = str(fields["text"])
        return time, _printed_level(text), turn, text, True
    event = str(fields.pop("event", ""))
    pairs = " ".join(f"{name}={value}" for name, value in fields.items())
    level = _level({name: str(value) for name, value in fields.items()})
    return time, level, turn, f"{event} {pairs}", False


def _level(values: dict[str, str]) -> str:
    return "WARNING" if values.get("failure") or values.get("outcome") in FAILED else "INFO"


def _printed_level(text: str) -> str:
    match = _WORD.search(text, 0, 60)
    return match[1] if match else "INFO"


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
