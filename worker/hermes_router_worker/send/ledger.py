"""Answers that a profile owes: Hermes's ledger of replies, kept by workers that come and go.

Hermes writes a reply down before it is sent and crosses it off when it has been; a gateway that
starts sends again what a dead one left. Three things differ where a worker is a turn:

- whether the process that owes a reply lives must be right for siblings in other pid namespaces:
  each that has written one down holds a lock, which the kernel drops when it dies;
- a worker may die after the gateway has sent its reply: the gateway knows, and tells the next one;
- what is owed is sent through the gateway, to any conversation of the profile.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import is_settled
from hermes_router_worker.home.lock import hold_for_life, is_held
from hermes_router_worker.send.transport import Transport

logger = logging.getLogger(__name__)

#: Where the locks of living debtors lie, below the profile's home.
_FOLDER = ("hermes-router", "debtors")

_OPEN = "SELECT obligation_id, platform, chat_id, thread_id, content, updated_at"
_OPEN += " FROM delivery_obligations WHERE state IN ('pending', 'attempting', 'failed')"


def install() -> None:
    """Have the ledger judge its owners by locks; a Hermes without a ledger has nothing to judge."""
    ledger = _ledger()
    if ledger is not None and not hasattr(ledger, "_hermes_router_debtors"):
        ledger._hermes_router_debtors = debtors = _Debtors(ledger)
        ledger._owner_stamp = debtors.stamp
        ledger._owner_alive = debtors.alive


def cross_off(settled: Iterable[msg.DeliveredText]) -> int:
    """Mark as delivered what the gateway has sent for workers that died; return how many."""
    known, ledger = list(settled), _ledger()
    if not known or ledger is None or not ledger._db_path().exists():
        return 0
    with contextlib.closing(ledger._connect()) as connection:
        rows = connection.execute(_OPEN).fetchall()
    marker = getattr(ledger, "RECOVERED_MARKER", "")
    sent = 0
    for number, platform, chat, thread, content, updated in rows:
        place = msg.Place(platform=platform, chat_id=chat, thread_id=thread)
        if any(is_settled(place, text, updated, known) for text in (content, marker + content)):
            ledger.mark_delivered(number)
            sent += 1
    return sent


async def redeliver(transport: Transport, platforms: Iterable[str]) -> None:
    """Send what dead processes of this profile owe; what may be a repetition says so."""
    ledger = _ledger()
    if ledger is None or not ledger.ledger_enabled() or not ledger._db_path().exists():
        return
    try:
        sweep = functools.partial(
            ledger.sweep_recoverable, None, deliverable_platforms=set(platforms)
        )
        for row in await asyncio.to_thread(sweep):
            if row.get("adopted"):
                continue  # the platform refuses it for some time yet
            await _send(ledger, transport, row)
    except sqlite3.Error:
        logger.warning("owed replies could not be looked up", exc_info=True)


async def _send(ledger: Any, transport: Transport, row: dict[str, Any]) -> None:
    place = msg.Place(
        platform=row["platform"], chat_id=row["chat_id"], thread_id=row["thread_id"] or None
    )
    text = (row.get("marker", ledger.RECOVERED_MARKER) if row["needs_marker"] else "") + row[
        "content"
    ]
    result = await transport.deliver(place, text, files=(), as_documents=False)
    error = result.get("error")
    if error:
        await asyncio.to_thread(ledger.mark_failed, row["obligation_id"], str(error))
    else:
        await asyncio.to_thread(ledger.mark_delivered, row["obligation_id"])
        logger.info("a reply that was owed to %s was sent", place)


class _Debtors:
    """The processes that have written a reply down, by pid and start time as the ledger has it."""

    def __init__(self, ledger: Any) -> None:
        self._stamp: Callable[[], tuple[int, int | None]] = ledger._owner_stamp
        self._alive: Callable[[Any, Any], bool] = ledger._owner_alive
        self._folder = Path(os.environ["HERMES_HOME"]).joinpath(*_FOLDER)
        self._lock: IO[bytes] | None = None

    def stamp(self) -> tuple[int, int | None]:
        """Return this process's stamp, having taken its lock. In place of ``_owner_stamp``."""
        pid, started = self._stamp()
        if self._lock is None:
            try:
                self._lock = hold_for_life(self._path(pid, started))
            except OSError as error:
                logger.warning("no lock for the ledger of replies: %s", error)
        return pid, started

    def alive(self, pid: Any, started: Any) -> bool:
        """Say whether an owner lives. In place of ``_owner_alive``."""
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


def _ledger() -> Any:
    try:
        return importlib.import_module("gateway.delivery_ledger")
    except ImportError:  # Hermes before 0.18.2
        return None
