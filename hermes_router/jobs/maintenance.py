"""When a profile's home wants upkeep: decided from file times, a note, and two questions.

Hermes does it in loops of a gateway that lives for ever. Here the worker of an upkeep leaves a note
of when something will be to do again, and the gateway starts none before that, unless something
has happened in the home since, or a dead process owes something there.
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
class Kept:
    """What the last upkeep of a home left behind, all in seconds.

    ``at``: when it ended. ``next``: when something will be to do even if nothing happens until
    then, or None. ``patience``: how long after a change something may be to do, or None.
    """

    at: float
    next: float | None = None
    patience: float | None = None


#: The file in which a worker leaves it, below the home.
KEPT = ("hermes-router", "upkeep.json")

#: What changes in a home when something happens there, that upkeep may have to follow up.
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

#: Seconds after an upkeep in which a change is its own doing.
_OWN_CHANGES = 15.0


def parse_kept(content: bytes) -> Kept | None:
    """Return what an upkeep left, or None where that is not readable."""
    try:
        data = json.loads(content)
        return Kept(float(data["at"]), _number(data.get("next")), _number(data.get("patience")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def upkeep_time(
    kept: Kept | None, changed: float | None, *, interval: float, owed: bool
) -> float | None:
    """Return from when a home wants upkeep; None while it does not by itself.

    ``changed`` is when something last happened in it, None if never. ``interval`` lies between two
    upkeeps at least. ``owed`` says that a process ended there with something left to do, which does
    not wait.
    """
    if owed:
        return 0.0
    if changed is None:
        return None
    if kept is None:
        return changed + interval
    times = [] if kept.next is None else [kept.next]
    if kept.patience is not None and changed > kept.at + _OWN_CHANGES:
        times.append(changed + kept.patience)
    return max(min(times), kept.at + interval) if times else None


#: What dead processes may have left undone, by database and question.
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

#: Steps of SQLite's machine that one question may take: the databases are the profile's.
_MOST_STEPS = 1_000_000


_OWED_TO = (
    "SELECT platform, chat_id, thread_id, content FROM delivery_obligations "
    "WHERE state NOT IN ('delivered', 'abandoned') AND session_key = ? AND created_at >= ? LIMIT 20"
)


def is_owed(home: Path) -> bool:
    """Say whether a reply or a cron job's end may be missing in a home; blocks for a moment.

    It may say so of what a living process is about to finish: the upkeep tells them apart.
    """
    return any(_answers(home / name, table, query) for name, table, query in _OWED)


def owed_replies(home: Path, session: str, since: float) -> list[tuple[Any, ...]]:
    """Return the replies to a session that were written down since then and not delivered.

    Each with its platform, chat, thread and text. Blocks for a moment.
    """
    return _ask(home / "state.db", "delivery_obligations", _OWED_TO, session, since)


def _answers(path: Path, table: str, query: str) -> bool:
    return bool(_ask(path, table, query))


def _ask(path: Path, table: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows that a question to a profile's database has; none where it fails."""
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
        return []  # the upkeep comes at its time
