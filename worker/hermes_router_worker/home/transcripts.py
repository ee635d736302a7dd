"""Lines of transcripts that a database refused, kept in files of the home by an earlier worker.

Several workers read these files: the next one of each session, and the maintenance of the home. A
lock of the home keeps two of them from writing the same line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.paths import FOLDER, current_home
from hermes_router_worker.hermes.session import transcripts
from hermes_router_worker.home.lock import acquire, open_lock

logger = logging.getLogger(__name__)


def guard_transcripts(store: Any, home: Path) -> None:
    """Have Hermes read these files while no other process does.

    If another one does for seconds, Hermes keeps its new line in memory, and tries again before the
    session's next line.
    """

    def alone(drain: Callable[[str], Any]) -> Callable[[str], Any]:
        def drain_alone(session_id: str) -> Any:
            if not transcripts.reads_files_of(store, session_id):
                return drain(session_id)
            with _alone(home) as alone:
                if alone:
                    return drain(session_id)
            return RuntimeError("another process writes the lines that are kept of this session")

        return drain_alone

    replacements.DRAIN_TRANSCRIPT.replace(alone, on=store)


async def take_back_first(runner: Any, session_key: str, seconds: float) -> None:
    """Write what is kept of a session into the database; call it before the session's next line.

    After ``seconds``, or if the database refuses it again, the session goes on without it. Hermes
    tries again before the session's next line, and so does a later worker.
    """
    try:
        if transcripts.spooled(current_home()):
            taking = asyncio.to_thread(transcripts.take_back, runner.session_store, session_key)
            await asyncio.wait_for(taking, seconds)
    except Exception:  # boundary: the database may be locked or broken
        logger.warning("lines of the session's history still wait", exc_info=True)


def take_back_all(runner: Any) -> int:
    """Write what is kept of all sessions into the database; return how many lines there were."""
    if not transcripts.spooled(current_home()):
        return 0
    with _alone(current_home()) as alone:
        return transcripts.take_back_all(runner) if alone else 0


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[bool]:
    """Hold the lock of these files; yield whether it was free in time.

    It keeps no thread of this process from any other lock: the block may wait for the database.
    """
    with open_lock(home / FOLDER / "transcripts.lock") as handle:
        yield acquire(handle)
