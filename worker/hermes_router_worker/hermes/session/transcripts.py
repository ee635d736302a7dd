"""Lines of transcripts that the database refuses: how Hermes keeps them, and takes them back.

Hermes keeps such a line in memory and tries again at the next append. After some failures it writes
the lines into files of the home. It reads these files when a gateway starts, and, in the process
that has written them, before the session's next line. Hermes 0.19 keeps no such files.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.patching import do_nothing

logger = logging.getLogger(__name__)


def spool(store: Any) -> None:
    """Write the lines that this process has only in memory into the files of the home.

    ``store`` is Hermes's store of sessions. What cannot be written stays in memory, which the log
    says.
    """
    to_files = getattr(store, "_spool_stalled_backlog", do_nothing)  # since 0.21
    for session in [*getattr(store, "_dirty_transcripts", ())]:
        to_files(session, session)
        if left := store._dirty_transcripts.get(session):
            logger.error(
                "%d lines of session %s could be written into no database and no file; "
                "they end with this process",
                len(left),
                session,
            )


def spooled(home: Path) -> bool:
    """Say whether a home has such files, of whatever session."""
    return any((home / "pending_messages").glob("*.json"))


def reads_files_of(store: Any, session_id: str) -> bool:
    """Say whether this process reads a session's files before the session's next line."""
    return session_id in getattr(store, "_spooled_drop_sessions", ())


def take_back(store: Any, session_key: str) -> None:
    """Write a session's lines from such files into the database, before any later line.

    What the database still refuses, Hermes tries again before the session's next line. Blocks, for
    a minute if the database is locked.
    """
    session = store.peek_session_id(session_key)
    if session is None or not hasattr(store, "_drain_spooled_drops"):
        return
    vars(store).setdefault("_spooled_drop_sessions", set()).add(session)
    store._drain_spooled_drops(session)


def take_back_all(runner: Any) -> int:
    """Write the lines of all such files into the database, as a gateway does that starts.

    Blocks. Returns how many lines there were.
    """
    files = importlib.import_module("gateway.shutdown_flush")
    recover = getattr(files, "recover_gateway_pending", None)  # since 0.22
    return int(files.recover_pending_to_db() if recover is None else recover(runner))
