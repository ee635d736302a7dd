"""The maintenance of a home: what a gateway of the profile would do there beside its turns.

Each chore is Hermes's own code, run once. Endless loops of Hermes run for one round. At the end, a
note in the home tells gateways when the next work is due, so that no gateway starts a process
before that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker import json_files
from hermes_router_worker.hermes.cron import cron_lock, cut_off
from hermes_router_worker.hermes.cron.cron_run import Result
from hermes_router_worker.hermes.session import platforms
from hermes_router_worker.hermes.startup import steps
from hermes_router_worker.hermes.upkeep import chores, sessions, times
from hermes_router_worker.home import left_files
from hermes_router_worker.home.process_records import tidy_processes
from hermes_router_worker.home.transcripts import take_back_all
from hermes_router_worker.send.transport import Transport

logger = logging.getLogger(__name__)

#: The path of the note below the home; see :mod:`hermes_router.jobs.maintenance`.
NOTE = ("hermes-router", "upkeep.json")

#: Chores that are coroutines; the others run in a thread.
_ASYNC = frozenset({"deliveries", "sessions"})

_POLL_SECONDS = 0.1


class Upkeep:
    """Does the maintenance of this process's home once, one chore after the other.

    ``transport`` carries unsent replies to the gateway, for the platforms in ``delivery_scope``.
    When ``stop`` is set, no further chore begins, and the outcome is ``failed``.
    """

    def __init__(
        self,
        runner: Any,
        transport: Transport,
        delivery_scope: msg.DeliveryScope,
        stop: threading.Event,
    ) -> None:
        self._runner = runner
        self._transport = transport
        self._reach = delivery_scope
        self._stop = stop
        self._done: list[str] = []

    async def run(self) -> Result:
        """Do all chores, and leave the note for gateways; return what was done, or why it was not.

        A maintenance job calls it once. An error in a chore is logged and does not stop the others,
        as in Hermes. The outcome is ``busy`` if another process does the maintenance of this home.
        """
        home = Path(os.environ["HERMES_HOME"])
        with cron_lock.alone(home, "maintenance of the home") as mine:
            if not mine:
                return Result("busy", "another process does the maintenance of this home")
            for name, chore in self._chores():
                if self._stop.is_set():
                    return Result("failed", "it was interrupted")
                await self._attempt(name, chore)
            await self._until_ended()
            await asyncio.to_thread(leave_note, home, self._runner)
        return Result("done", ", ".join(self._done))

    def _chores(self) -> Iterable[tuple[str, Callable[[], Any]]]:
        """Yield the chores in order; a chore that returns something has found work."""
        yield "executions", cut_off.recover
        yield "processes", tidy_processes
        yield "transcripts", lambda: take_back_all(self._runner)
        yield "files", left_files.tidy
        yield "deliveries", self._redeliver
        yield "sessions", lambda: sessions.expire(self._runner)
        yield "caches", chores.clean_caches
        yield "checkpoints", chores.free_checkpoints
        yield "databases", lambda: steps.catch_up_upkeep(self._runner)
        yield "archive", chores.prune_as_housekeeping
        yield "logins", chores.refresh_login
        yield "skills", chores.tend_skills
        yield "jobs", chores.work_beside_jobs

    async def _attempt(self, name: str, chore: Callable[[], Any]) -> None:
        try:
            found = await (chore() if name in _ASYNC else asyncio.to_thread(chore))
        except Exception:
            logger.exception("maintenance: %s", name)
            return
        if found:
            self._done.append(f"{name}: {found}")

    async def _until_ended(self) -> None:
        """Wait until no chore runs in a thread any more."""
        while not self._stop.is_set():
            if not chores.going_on():
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _redeliver(self) -> int:
        """Send the replies that dead processes left unsent, by the gateway's adapters."""
        carriers = {name: _Carrier(self._transport, name) for name in self._reach.platforms}
        return await platforms.redeliver(self._runner, carriers)


class _Carrier:
    """Replaces a platform's adapter where Hermes redelivers: it sends by the gateway's adapter."""

    def __init__(self, transport: Transport, platform: str) -> None:
        self._transport = transport
        self._platform = platform

    async def send(self, chat_id: str, content: str, metadata: Any = None, **_: Any) -> Any:
        """Send a text and return Hermes's result."""
        thread = (metadata or {}).get("thread_id")
        place = msg.Place(platform=self._platform, chat_id=str(chat_id), thread_id=thread)
        answer = await self._transport.deliver(place, content, files=(), as_documents=False)
        return platforms.send_result(
            success=not answer.get("error"),
            message_id=answer.get("message_id"),
            error=answer.get("error"),
        )


def leave_note(home: Path, runner: Any) -> None:
    """Write the file by which gateways know when this home needs maintenance again.

    Before that time, a gateway starts no worker for it, unless files in the home change or a dead
    process left work. ``runner`` is Hermes's gateway runner.

    Raises:
        OSError: the file cannot be written.
    """
    now = time.time()
    due = [moment for moment in times.next_times(runner, now) if moment is not None]
    note = {"at": time.time(), "next": min(due, default=None), "patience": times.patience(runner)}
    json_files.write(home.joinpath(*NOTE), note)


def hasten(home: Path) -> None:
    """Have gateways know of a job's result that waits for Bot Chat, if there is one.

    A home without a note is looked at soon in any case.
    """
    now, path = time.time(), home.joinpath(*NOTE)
    note, due = json_files.read_map(path), times.bot_chat_next(home, now)
    if note and due is not None and (note.get("next") or due) >= due:
        try:
            json_files.write(path, note | {"next": due})
        except OSError as error:  # the job itself is done
            logger.warning("%s cannot be written: %s", path, error)
