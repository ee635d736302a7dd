"""Decide when a profile's home needs maintenance: what Hermes's own gateway does in loops.

For example, it ends old sessions, removes old files, and sends replies that are still unsent. Here
a worker does this, and leaves a small file in the home with the time of the next maintenance. The
gateway starts no worker before that time, with three exceptions: files in the home have changed
since, a platform refused a reply, or a dead process left unfinished work. Database queries find
such replies and such work.
"""

from __future__ import annotations

import json
import sqlite3
import stat
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class MaintenanceNote:
    """The note that the last maintenance of a home left there for the gateway; all in seconds.

    Attributes:
        at: when it ended, Unix time.
        next: when the next one is due even if nothing changes, Unix time; None if never.
        patience: how long after a change one is due; None if a change makes none due.
    """

    at: float
    next: float | None = None
    patience: float | None = None


#: The file with the note, below the home.
NOTE = ("hermes-router", "upkeep.json")

#: Files and folders in a home whose change may make maintenance due.
WATCHED = (
    "state.db",
    "state.db-wal",
    "sessions/sessions.json",
    "processes.json",
    "cron/executions.db",
    "cron/executions.db-wal",
    "cache/images",
    "cache/documents",
    "image_cache",
    "document_cache",
)

#: Seconds after a refused send until the maintenance sends the reply again, as in Hermes.
_RESEND_SECONDS = 30.0

#: A change in so many seconds after maintenance counts as made by the maintenance itself.
_OWN_CHANGES = 15.0

#: A time that is further in the future than so many seconds was noted by a clock that was wrong.
_FUTURE = 60.0


def parse_note(content: bytes) -> MaintenanceNote | None:
    """Return what the content of the file :data:`NOTE` says; None if it is not valid.

    The profile can write this file, so an invalid one counts as missing.
    """
    try:
        data = json.loads(content)
        return MaintenanceNote(
            float(data["at"]), _number(data.get("next")), _number(data.get("patience"))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def upkeep_time(
    kept: MaintenanceNote | None,
    changed: float | None,
    *,
    now: float,
    interval: float,
    owed: bool,
    refused: float | None = None,
) -> float | None:
    """Return from when a profile's home needs maintenance, in seconds since the epoch.

    Returns None if only a change in the home can make maintenance due. ``kept`` is what the last
    maintenance wrote, None if there was none. ``changed`` is the time of the last change of a
    watched file, None if no such file exists. ``interval`` is the least number of seconds between
    two maintenances. With ``owed`` a dead process left unfinished work, so it is due at once.
    ``refused`` is when the platform refused the oldest reply that is still unsent, None if there is
    no such reply. It is sent again after 30 s, then after pauses that double each time. ``now`` is
    the time: a note of a later one counts as none, and a later refusal as older than the note.
    """
    if owed:
        return 0.0
    if kept is not None and is_future(kept.at, now):
        kept = None
    if refused is not None and is_future(refused, now):
        refused = 0.0 if kept is None else kept.at
    times = [_usual_time(kept, changed, interval)]
    if refused is not None:
        times.append(_resend_time(kept, refused, interval))
    return min((moment for moment in times if moment is not None), default=None)


def is_future(moment: float, now: float) -> bool:
    """Return True if something was noted at ``moment`` by a clock that was ahead, in seconds."""
    return moment > now + _FUTURE


def _resend_time(kept: MaintenanceNote | None, refused: float, interval: float) -> float:
    if kept is None or kept.at <= refused:
        return refused + _RESEND_SECONDS
    return kept.at + max(interval, kept.at - refused)


def _usual_time(
    kept: MaintenanceNote | None, changed: float | None, interval: float
) -> float | None:
    if changed is None:
        return None
    if kept is None:
        return changed + interval
    times = [] if kept.next is None else [kept.next]
    if kept.patience is not None and changed > kept.at + _OWN_CHANGES:
        times.append(changed + kept.patience)
    return max(min(times), kept.at + interval) if times else None


#: The unfinished work that a dead process may have left: database, table and query.
_OWED = (
    (
        "state.db",
        "delivery_obligations",
        "SELECT 1 FROM delivery_obligations WHERE state NOT IN ('delivered', 'abandoned') LIMIT 1",
    ),
    (
        "cron/executions.db",
        "executions",
        "SELECT 1 FROM executions WHERE status IN ('claimed', 'running') LIMIT 1",
    ),
)

#: Maximum number of SQLite's steps in a query, because the profile can write the databases.
_MOST_STEPS = 1_000_000


_REFUSED = "SELECT MIN(updated_at) FROM delivery_obligations WHERE state = 'failed'"

_OWED_TO = (
    "SELECT platform, chat_id, thread_id, content FROM delivery_obligations "
    "WHERE state NOT IN ('delivered', 'abandoned') AND session_key = ? AND created_at >= ? LIMIT 20"
)


def has_unfinished_work(home: Path) -> bool:
    """Return True if a home's databases list an unsent reply or an unfinished run of a cron job.

    It is also True for work that a living process is about to finish; the maintenance checks that.
    This reads files and blocks for a moment. A database that cannot be read counts as empty.
    """
    return any(_answers(home / name, table, query) for name, table, query in _OWED)


def refused_since(home: Path) -> float | None:
    """Return when a platform refused the oldest unsent reply of a home, in Unix seconds, or None.

    This reads a file and blocks for a moment.
    """
    rows = _ask(home / "state.db", "delivery_obligations", _REFUSED)
    return _number(rows[0][0]) if rows else None


def owed_replies(home: Path, session: str, since: float) -> list[tuple[Any, ...]]:
    """Return the unsent replies of a session that the home's database lists, at most 20.

    The crash recovery asks this. ``session`` is the session's key. Replies from before ``since``,
    in Unix seconds, are left out. Each reply is a tuple of platform, chat, thread and text. This
    blocks for a moment.
    """
    return _ask(home / "state.db", "delivery_obligations", _OWED_TO, session, since)


def _answers(path: Path, table: str, query: str) -> bool:
    return bool(_ask(path, table, query))


def _ask(path: Path, table: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query to a profile's database; an empty list if it fails."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return []
        uri = f"file:{urllib.parse.quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
            database.set_progress_handler(lambda: 1, _MOST_STEPS)
            known = "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?"
            if database.execute(known, (table,)).fetchone() is None:
                return []
            return database.execute(query, values).fetchall()
    except (OSError, sqlite3.Error):
        return []  # the next maintenance comes at its usual time
