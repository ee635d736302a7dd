"""Hermes's ledger of replies: which process must send which reply, and what has been sent."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements

_OPEN = "SELECT obligation_id, platform, chat_id, thread_id, content, updated_at"
_OPEN += " FROM delivery_obligations WHERE state IN ('pending', 'attempting', 'failed')"

_OURS = "_hermes_router_debtors"


class Owed(NamedTuple):
    """A reply that a process of the profile had to send and that is not marked as delivered."""

    id: str
    place: msg.Place
    texts: tuple[str, str]
    """The texts that may have been sent: the reply, and the reply with Hermes's repetition mark."""
    updated: Any


class Owners(Protocol):
    """Names this process in the ledger by id and start time, and tells if others live."""

    def stamp(self) -> tuple[int, int | None]:
        """Return this process's id and start time, for the ledger."""

    def alive(self, pid: Any, started: Any) -> bool:
        """Return True if the process with this id and start time, which wrote a reply, lives."""


def judge_by(make: Callable[[Owners], Owners]) -> None:
    """Have Hermes's ledger of replies ask the object that ``make`` returns if a process lives.

    ``make`` gets Hermes's own check. A second call in this process changes nothing.
    """
    ledger = _ledger()
    if not hasattr(ledger, _OURS):
        owners = make(_Hermes(ledger._owner_stamp, ledger._owner_alive))
        setattr(ledger, _OURS, owners)
        replacements.OWNER_STAMP.replace(lambda _: owners.stamp, anew=True)
        replacements.OWNER_ALIVE.replace(lambda _: owners.alive, anew=True)


class _Hermes(NamedTuple):
    """Hermes's own check of processes."""

    stamp: Callable[[], tuple[int, int | None]]
    alive: Callable[[Any, Any], bool]


def exists() -> bool:
    """Return True if the ledger's database exists: the profile has written a reply into it once."""
    return bool(_ledger()._db_path().exists())


def enabled() -> bool:
    """Return True if the profile's settings have Hermes write its replies into the ledger."""
    return bool(_ledger().ledger_enabled())


def owed() -> Iterator[Owed]:
    """Yield the replies that are not marked as delivered, of living and of dead processes.

    The ledger must exist, see :func:`exists`.
    """
    ledger = _ledger()
    with contextlib.closing(ledger._connect()) as connection:
        rows = connection.execute(_OPEN).fetchall()
    marker = getattr(ledger, "RECOVERED_MARKER", "")
    for number, platform, chat, thread, content, updated in rows:
        place = msg.Place(platform=platform, chat_id=chat, thread_id=thread)
        yield Owed(number, place, (content, marker + content), updated)


def recoverable(platforms: Iterable[str]) -> list[dict[str, Any]]:
    """Take over the unsent replies of the profile's dead processes on these platforms.

    From now on this process must send them: no other process gets them while it lives. Replies that
    the platform still refuses for some time are left out. Blocks.
    """
    sweep = functools.partial(
        _ledger().sweep_recoverable, None, deliverable_platforms=set(platforms)
    )
    return [row for row in sweep() if not row.get("adopted")]


def text_of(row: dict[str, Any]) -> str:
    """Return the text to send for a row, with a mark if it may be a repetition."""
    marker = row.get("marker", _ledger().RECOVERED_MARKER) if row["needs_marker"] else ""
    return str(marker + row["content"])


def delivered(number: str) -> None:
    """Mark the reply with this id in the ledger as delivered: nobody sends it again."""
    _ledger().mark_delivered(number)


def failed(number: str, error: str) -> None:
    """Write into the ledger that the reply with this id could not be sent, and why.

    A later process tries again.
    """
    _ledger().mark_failed(number, error)


def _ledger() -> Any:
    return importlib.import_module("gateway.delivery_ledger")
