"""Unsent replies of a profile: Hermes's ledger of replies, used by workers that come and go.

Hermes writes a reply into the ledger before it sends it, and marks it as delivered afterwards. A
gateway that starts sends the unsent replies of a dead one. With one worker per turn, three things
differ:

- A worker must know whether a process of another pid namespace lives. So each process that has
  written a reply holds a lock, which the kernel drops when it dies.
- A worker may die after the gateway has sent its reply. The gateway knows that, and tells the next
  worker.
- Unsent replies are sent through the gateway, to any conversation of the profile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import is_settled
from hermes_router_worker.hermes.sending import ledger
from hermes_router_worker.home.lock import hold_for_life, is_held
from hermes_router_worker.send.transport import Transport

logger = logging.getLogger(__name__)

#: The folder, below the profile's home, with the locks of living processes that wrote a reply.
_FOLDER = ("hermes-router", "debtors")


def install() -> None:
    """Have Hermes's ledger of replies ask by lock files whether a reply's process lives.

    Hermes sends the unsent replies of processes that have died. By process ids alone it would also
    send those of a living worker in another sandbox.
    """
    ledger.judge_by(_Debtors)


def cross_off(settled: Iterable[msg.DeliveredText]) -> int:
    """Mark replies as delivered that the gateway has sent for dead workers; return how many.

    ``settled`` are the texts that the gateway has sent. Without the mark, this worker would send
    them again. A worker does this when its session or job begins.
    """
    known = list(settled)
    if not known or not ledger.exists():
        return 0
    sent = 0
    for reply in ledger.owed():
        if any(is_settled(reply.place, text, reply.updated, known) for text in reply.texts):
            ledger.delivered(reply.id)
            sent += 1
    return sent


async def redeliver(transport: Transport, platforms: Iterable[str]) -> None:
    """Send the replies that this profile's dead processes left unsent on these platforms.

    A session calls it after its first reply. Hermes's mark comes before a reply that may have
    arrived already. A reply that cannot be sent stays in the ledger, with the error. Errors of the
    database are logged.
    """
    if not ledger.enabled() or not ledger.exists():
        return
    try:
        for row in await asyncio.to_thread(ledger.recoverable, platforms):
            await _send(transport, row)
    except sqlite3.Error:
        logger.warning("pending replies could not be looked up", exc_info=True)


async def _send(transport: Transport, row: dict[str, Any]) -> None:
    place = msg.Place(
        platform=row["platform"], chat_id=row["chat_id"], thread_id=row["thread_id"] or None
    )
    text = ledger.text_of(row)
    result = await transport.deliver(place, text, files=(), as_documents=False)
    error = result.get("error")
    if error:
        await asyncio.to_thread(ledger.failed, row["obligation_id"], str(error))
    else:
        await asyncio.to_thread(ledger.delivered, row["obligation_id"])
        logger.info("a pending reply to %s was sent", place)


class _Debtors:
    """The processes that have entered a reply into the ledger before they sent it.

    The ledger knows them by process id and start time. A lock file of each shows that it lives.
    """

    def __init__(self, hermes: ledger.Owners) -> None:
        self._stamp = hermes.stamp
        self._alive = hermes.alive
        self._folder = Path(os.environ["HERMES_HOME"]).joinpath(*_FOLDER)
        self._making = threading.Lock()
        self._lock: IO[bytes] | None = None

    def stamp(self) -> tuple[int, int | None]:
        """Return this process's id and its start time, in clock ticks since boot, for an entry.

        The first call locks this process's own lock file, until the process ends. Nobody else
        locks that file, so the call never waits. If it cannot be locked, that is logged.
        """
        pid, started = self._stamp()
        with self._making:
            if self._lock is None:
                try:
                    self._lock = hold_for_life(self._path(pid, started))
                except OSError as error:
                    logger.warning("no lock for the ledger of replies: %s", error)
        return pid, started

    def alive(self, pid: Any, started: Any) -> bool:
        """Return True if the process that wrote a reply lives.

        Hermes then leaves the sending to that process.
        """
        path = self._path(pid, started)
        if (pid, started) == self._stamp():
            return True
        if not path.exists():
            return self._alive(pid, started)  # no worker: a gateway of the profile's own
        if is_held(path):
            return True
        path.unlink(missing_ok=True)
        return False

    def _path(self, pid: Any, started: Any) -> Path:
        return self._folder / f"{pid}-{started}.lock"
