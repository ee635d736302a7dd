"""What Hermes keeps of a session only in its process, kept here between two workers.

A gateway lives for weeks. It keeps in memory what ``/model``, ``/reasoning``, ``/fast``, ``/yolo``
or ``/approve session`` set, which messages are queued, and which notes the next message carries. A
worker lives for one turn. So it writes all that into a file before it says that it is idle, and the
session's next worker puts it back where Hermes looks for it. What a command or a click sets is
written before it is answered: it may come in mid-turn, and the worker may die in that turn.

This module does not know when a setting ends. What Hermes clears (by ``/new``, a reset, an expiry)
is no longer in memory when the file is written. The one function of Hermes that ends conversations
is also followed at once, so that a worker that dies after ``/new`` leaves nothing of the old
conversation.

The file may hold what the user wrote and the key of a model's provider. It is in the profile's
home, readable only by its owner, and never crosses the pipe. Each session has one file, which
belongs to the worker that was attached last: an older worker does not write it any more. If a file
cannot be read, the log gets a line.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hermes_router_worker import json_files
from hermes_router_worker.hermes.events import is_saved_as
from hermes_router_worker.hermes.session.memory import QUEUE, Memory
from hermes_router_worker.home.lock import home_lock

VERSION = 1

_LOCK = "memory"

_log = logging.getLogger(__name__)


def _nothing(_event: object) -> bool:
    return False


class SessionState:
    """Puts a session's state back into a runner, and saves it for the session's next worker.

    ``adapter`` is the pipe adapter; ``home`` is the home of the profile. Events of which
    ``without`` is true are not saved: the gateway has them served. No method raises for a file that
    cannot be read or written: that is logged, and costs the state, not the turn.
    """

    def __init__(
        self,
        runner: Any,
        adapter: Any,
        session_key: str,
        home: Path,
        without: Callable[[Any], bool],
    ) -> None:
        self._memory = Memory(runner, adapter, session_key)
        self._key = session_key
        self._home = home
        self._without = without
        self._owner = uuid.uuid4().hex
        self._held: list[Any] = []
        self._queue: list[Any] = []

    # -- the moments ---------------------------------------------------------------------

    def restore(self) -> None:
        """Put back what the session's last worker saved; from now on, only this worker saves.

        :func:`attach` calls it once. If the file cannot be written, the queued messages stay there
        for a later worker: this one could not note that it has begun them.
        """
        state: dict[str, Any] = {}
        with _logged("restored"), home_lock(self._home, _LOCK):
            saved = self._read(self._key).get("state", {})
            state = {name: value for name, value in saved.items() if name != QUEUE}
            self._write(saved)
            state, self._queue = saved, saved.get(QUEUE, [])
        for name, value in state.items():  # may ask a provider for a login: not under the lock
            with _logged(f"restored ({name})"):
                self._memory.restore(name, value)
        self._memory.follow_boundaries(self._ended)

    def save(self) -> None:
        """Write the session's state, unless a later worker of the session has taken over.

        The session calls it before it reports to be idle.
        """
        with _logged("saved"):
            self._save(self._memory.queue(self._held, self._without))

    def save_settings(self) -> None:
        """Write what a command or a click has set, as :meth:`save` does.

        The queue on disk stays as it is. The session calls it after each of them, because the
        worker may die before it is idle.
        """
        with _logged("saved"):
            self._save(self._queue)

    def note_begun(self, coming: Iterable[Any] = ()) -> None:
        """Write which queued messages are begun, before the model is asked for one.

        If this worker dies, no later one begins them again: their tools may have run. Messages that
        still wait are kept, and so are ``coming``, which are on their way to Hermes. Nothing is
        written if the file has no queued messages.
        """
        if not self._queue:
            return
        with _logged("saved"):
            queue = self._memory.queue([*self._held, *coming], self._without, promoted=True)
            if queue != self._queue:
                self._save(queue)

    def note_command(self, event: Any) -> None:
        """Write that a command is begun, if the file has it among the queued messages.

        No model need be asked for it, so :meth:`note_begun` may never come; and a command that
        kills its worker must not kill the next ones.
        """
        if self._queue:
            with _logged("saved"):
                left = [saved for saved in self._queue if not is_saved_as(event, saved)]
                if left != self._queue:
                    self._save(left)

    def next_queued(self) -> Any:
        """Take a message from Hermes's queue that Hermes would not begin by itself, or return None.

        An earlier worker left the message queued, or Hermes queued it behind a turn that had just
        ended. It is None while the session is busy. Call this while no message is on its way to
        Hermes.
        """
        return self._memory.next_queued()

    def hold_queue(self, coming: Iterable[Any] = ()) -> None:
        """Take the queued messages out of Hermes, so that no turn begins with them in this worker.

        ``coming`` are events that Hermes will not get: they are held, too. The worker is about to
        end. :meth:`save` writes the held events that the gateway does not have served, and the
        session's next worker begins them.
        """
        self._held = [*coming, *self._memory.take_queue()]

    # -- reading and writing -------------------------------------------------------------------

    def _read(self, key: str) -> dict[str, Any]:
        path = _path(self._home, key)
        try:
            content = json.loads(path.read_bytes())
            if (content["version"], content["session"]) == (VERSION, key):
                return dict(content)
            _log.warning("%s is not of version %d; starting with empty state", path, VERSION)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError) as error:
            _log.warning("%s cannot be read (%s); starting with empty state", path, error)
        return {}

    def _save(self, queue: list[Any]) -> None:
        with home_lock(self._home, _LOCK):
            if self._read(self._key).get("owner") != self._owner:
                _log.warning("a later worker owns the state of %s; not written", self._key)
                return
            self._write(self._settings() | ({QUEUE: queue} if queue else {}))
            self._queue = queue

    def _write(self, state: dict[str, Any]) -> None:
        content = {"version": VERSION, "session": self._key, "owner": self._owner, "state": state}
        json_files.write(_path(self._home, self._key), content)

    def _settings(self) -> dict[str, Any]:
        """Return the session's part of all maps as plain data; other values are left out."""
        state: dict[str, Any] = {}
        for name, value in self._memory.parts():
            with _logged(f"saved ({name})"):
                state[name] = value()
        return state | self._memory.fixed()

    def _ended(self, session_key: str) -> None:
        """Forget at once, on disk, a conversation that Hermes has ended, in whatever session."""
        if session_key == self._key:
            self._held = []
            self.save()
        elif session_key:
            forget(self._home, session_key)


def attach(
    runner: Any, adapter: Any, session_key: str, without: Callable[[Any], bool] = _nothing
) -> SessionState:
    """Restore a session's state into the runner; return the object that saves it again.

    A session calls it at its start. Queued events of which ``without`` is true are not saved.
    """
    memory = SessionState(runner, adapter, session_key, Path(os.environ["HERMES_HOME"]), without)
    memory.restore()
    return memory


def forget(home: Path, session_key: str) -> None:
    """Remove the saved state of a session whose conversation Hermes has ended (``/new``, a reset).

    Nothing happens if there is none; an error of the disk is logged.
    """
    with _logged("removed"), home_lock(home, _LOCK):
        _path(home, session_key).unlink(missing_ok=True)


def _path(home: Path, session_key: str) -> Path:
    name = hashlib.sha256(session_key.encode()).hexdigest()[:32]
    return home / "hermes-router" / "sessions" / f"{name}.json"


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log an error and go on: an error may cost the state, but not the turn."""
    try:
        yield
    except Exception:  # noqa: BLE001 - boundary: file and maps may hold anything
        _log.warning("the session's state was not %s", what, exc_info=True)
