"""Which worker holds a conversation's lease, by a lock that the kernel drops with its holder.

Hermes 0.22 lets one process at a time run a conversation. It notes the holder's process id with its
pid namespace, and takes the lease from a dead process. It cannot ask about a process of another
sandbox: after a sandboxed worker is killed, its conversation waits for five minutes. The answer may
be wrong, too, because the kernel gives a dead namespace's number to the next sandbox.
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.paths import FOLDER
from hermes_router_worker.home.lock import hold_for_life, is_held

_MARK = re.compile(r":hermes-router=([0-9a-f]{32})(?::|$)")

_log = logging.getLogger(__name__)


def guard_leases(home: Path) -> None:
    """Have Hermes find out by a lock file whether the holder of a conversation's lease lives.

    Each worker calls it when its runner is built. The leases of this worker name the worker's own
    lock file. A Hermes without such leases (before 0.22) has nothing to guard.
    """
    holders = Holders(home / FOLDER / "holders")
    # The first line imports Hermes's database, which copies the name that the second one replaces.
    # So the records of its file locks name the namespace alone, which is all that Hermes compares.
    replacements.JUDGE_HOLDER.replace(holders.judging)
    replacements.NAME_HOLDER.replace(holders.naming)


class Holders:
    """Makes the functions by which Hermes names the holder of a lease, and asks whether it is dead.

    Each process that holds a lease keeps a lock file of its own in ``folder``. If that cannot be
    made, it is logged, and Hermes's own check decides.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = threading.Lock()
        self._name: str | None = None
        self._lock: IO[bytes] | None = None

    def naming(self, original: Callable[[], str | None]) -> Callable[[], str | None]:
        """Return a function for Hermes to name this process as the holder of a lease.

        It returns the pid namespace, and after it the name of this process's lock. ``original`` is
        Hermes's function, which returns the namespace alone, or None; then the result is None too.
        """

        def namespace() -> str | None:
            number = original()
            return None if number is None else number + self._mark()

        return namespace

    def judging(self, original: Callable[[str], bool]) -> Callable[[str], bool]:
        """Return a function by which Hermes asks whether the holder with a given name is dead.

        ``original`` is Hermes's own check. It decides about a holder whose name contains no lock.
        """

        def is_dead(holder: str) -> bool:
            found = _MARK.search(holder or "")
            return original(holder) if found is None else not self._lives(found[1])

        return is_dead

    def _mark(self) -> str:
        """Take this process's lock; return its part of a holder's name, or "" without a lock."""
        with self._making:
            if self._lock is None:
                try:
                    self._take(uuid.uuid4().hex)
                except OSError as error:
                    _log.warning("no lock for the leases of conversations: %s", error)
                    return ""
            return f":hermes-router={self._name}"

    def _take(self, name: str) -> None:
        self._lock = hold_for_life(self._folder / f"{name}.lock")
        self._name = name

    def _lives(self, name: str) -> bool:
        """Say whether the holder of a lock lives; one that ended normally has removed the file."""
        path = self._folder / f"{name}.lock"
        return name == self._name or (path.exists() and is_held(path))
