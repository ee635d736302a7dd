"""What Hermes remembers of a session in its process alone, kept between two workers.

A gateway that lives for weeks keeps in memory what ``/model``, ``/reasoning``, ``/fast``, ``/yolo``
or ``/approve session`` set, which messages are queued, which notes the next message carries. A
worker lives for one turn. So it writes all that into a file before it says that it is idle, and
the session's next worker puts it back where Hermes looks for it.

Nothing here knows when a setting ends: what Hermes clears (``/new``, a reset, an expiry) is no
longer in memory when the file is written. Hermes's one funnel for such boundaries is followed at
once as well, so that a worker that dies after ``/new`` leaves nothing of the old conversation.

The file may hold what the user wrote and the key of a model's provider: it lies in the profile's
home, for its owner only, and never crosses the pipe. Per session there is one, and it belongs to
the worker that was attached last: an older one that is still about does not write any more. A file
that cannot be read costs a line in the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from hermes_router_worker import json_files
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.events import event_from_plain, event_to_plain
from hermes_router_worker.home.lock import home_lock

VERSION = 1

#: Maps of ``GatewayRunner`` by session key that Hermes clears at the end of a conversation. Those
#: that the installed Hermes names itself are added; the last line holds what it does not name.
CONVERSATION_STATE = (
    "_session_model_overrides",
    "_pending_one_turn_model_restores",
    "_session_reasoning_overrides",
    "_session_service_tier_overrides",
    "_pending_model_notes",
    "_last_resolved_model",
    "_pending_turn_sidecar_notes",
    *("_pending_skills_reload_notes", "_session_ephemeral_pin", "_session_vc_last"),
)

_QUEUE = "_queued_events"
_CHANNEL_PIN = "channel_pin"
_TUPLES = frozenset({"_session_ephemeral_pin"})
_SAVED_KEY = "api_key"
_LOCK = "memory"

_log = logging.getLogger(__name__)


class SessionState:
    """One session's state between its workers; made for one runner when it is attached."""

    def __init__(self, runner: Any, adapter: Any, session_key: str, home: Path) -> None:
        self._runner = runner
        self._adapter = adapter
        self._key = session_key
        self._home = home
        self._owner = uuid.uuid4().hex
        self._held: list[Any] = []

    # -- the three moments ---------------------------------------------------------------------

    def restore(self) -> None:
        """Put back what the session's last worker saved, and become the one who saves."""
        with _logged("restored"), home_lock(self._home, _LOCK):
            state = self._read(self._key).get("state", {})
            self._write(state)
            for name, value in state.items():
                with _logged(f"restored ({name})"):
                    self._put(name, value)
        self._follow_boundaries()

    def save(self) -> None:
        """Write the session's state, unless a later worker of the session has taken over."""
        with _logged("saved"), home_lock(self._home, _LOCK):
            if self._read(self._key).get("owner") == self._owner:
                self._write(self._state())
            else:
                _log.warning("a later worker keeps the state of %s; not written", self._key)

    def next_queued(self) -> Any:
        """Take the next message that nobody would begin, if the session is idle.

        An earlier worker left it queued; or Hermes queued it behind a turn that it saw running, and
        that had ended by then. To be called while no message is on its way to Hermes.
        """
        if self._adapter._active_sessions:
            return None
        late = self._adapter._pending_messages.pop(self._key, None)
        queue = self._queue().get(self._key)
        if late is not None or not queue:
            return late
        event = queue.pop(0)
        if not queue:
            self._queue().pop(self._key, None)
        return event

    def hold_queue(self) -> None:
        """Keep what is queued from being begun: the worker has to go; the next one begins it."""
        pending = self._adapter._pending_messages.pop(self._key, None)
        first = [pending] if pending is not None else []
        self._held = [*first, *self._queue().pop(self._key, [])]

    # -- reading and writing -------------------------------------------------------------------

    def _read(self, key: str) -> dict[str, Any]:
        path = _path(self._home, key)
        try:
            content = json.loads(path.read_bytes())
            if (content["version"], content["session"]) == (VERSION, key):
                return dict(content)
            _log.warning("%s is not of version %d; starting afresh", path, VERSION)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError) as error:
            _log.warning("%s cannot be read (%s); starting afresh", path, error)
        return {}

    def _write(self, state: dict[str, Any]) -> None:
        content = {"version": VERSION, "session": self._key, "owner": self._owner, "state": state}
        json_files.write(_path(self._home, self._key), content)

    # -- what there is to remember -------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        """Return the session's part of everything, as plain data; what is not plain is left out."""
        state: dict[str, Any] = {}
        for name in _maps():
            holder = getattr(self._runner, name, None)
            if isinstance(holder, MutableMapping) and self._key in holder:
                with _logged(f"saved ({name})"):
                    state[name] = json.loads(json.dumps(_without_objects(holder[self._key])))
        queue = [*self._held, *self._queue().get(self._key, [])]
        if queue:
            state[_QUEUE] = [event_to_plain(event) for event in queue]
        return state | self._channel_pin() | self._approvals()

    def _channel_pin(self) -> dict[str, Any]:
        """Return what a turn that no person began takes from the last one (Hermes 0.21 on)."""
        peek = getattr(self._runner, "_peek_session_state", None)
        held = None if peek is None else peek(self._key)
        pin = None if held is None else getattr(held.conversation, _CHANNEL_PIN, None)
        return {} if pin is None else {_CHANNEL_PIN: list(pin)}

    def _approvals(self) -> dict[str, Any]:
        approval = importlib.import_module("tools.approval")
        state: dict[str, Any] = {}
        if self._key in approval._session_yolo:
            state["yolo"] = True
        if approved := approval._session_approved.get(self._key):
            state["approved"] = sorted(approved)
        return state

    def _put(self, name: str, value: Any) -> None:
        approval = importlib.import_module("tools.approval")
        if name == "yolo":
            approval.enable_session_yolo(self._key)
        elif name == "approved":
            for pattern in value:
                approval.approve_session(self._key, pattern)
        elif name == _QUEUE:
            self._queue()[self._key] = [event_from_plain(event) for event in value]
        elif name == _CHANNEL_PIN:
            setattr(self._runner._session_state(self._key).conversation, name, tuple(value))
        elif name in _maps():
            self._map(name)[self._key] = self._revived(name, value)

    def _revived(self, name: str, value: Any) -> Any:
        if name == "_session_model_overrides":
            return _with_fresh_login(value)
        if name == "_pending_one_turn_model_restores" and value.get("override"):
            return value | {"override": _with_fresh_login(value["override"])}
        return tuple(value) if name in _TUPLES else value

    def _map(self, name: str) -> MutableMapping[str, Any]:
        """Return a map of the runner, an own one: the class may hold an empty one for all.

        From 0.20 on most are views: setting the attribute would clear what they show.
        """
        view = isinstance(getattr(type(self._runner), name, None), property)
        if not view and not isinstance(vars(self._runner).get(name), MutableMapping):
            setattr(self._runner, name, {})
        holder: MutableMapping[str, Any] = getattr(self._runner, name)
        return holder

    def _queue(self) -> MutableMapping[str, list[Any]]:
        return self._map(_QUEUE)

    # -- boundaries ----------------------------------------------------------------------------

    def _follow_boundaries(self) -> None:
        """Forget on disk at once what Hermes forgets, of this session and of any other."""
        replacements.FORGET_CONVERSATION.replace(self._clearing, on=self._runner)

    def _clearing(self, clear: Callable[..., Any]) -> Callable[..., Any]:
        def cleared(session_key: str, *args: Any, **kwargs: Any) -> Any:
            result = clear(session_key, *args, **kwargs)
            if session_key == self._key:
                self._held = []
                self.save()
            elif session_key:
                forget(self._home, session_key)
            return result

        return cleared


def attach(runner: Any, adapter: Any, session_key: str) -> SessionState:
    """Restore a session's state into the runner, and return who saves it again."""
    memory = SessionState(runner, adapter, session_key, Path(os.environ["HERMES_HOME"]))
    memory.restore()
    return memory


def forget(home: Path, session_key: str) -> None:
    """Remove what is remembered of a session whose conversation has ended."""
    with _logged("removed"), home_lock(home, _LOCK):
        _path(home, session_key).unlink(missing_ok=True)


def _path(home: Path, session_key: str) -> Path:
    name = hashlib.sha256(session_key.encode()).hexdigest()[:32]
    return home / "hermes-router" / "sessions" / f"{name}.json"


def _maps() -> tuple[str, ...]:
    """Return the names of the maps, with those that this Hermes adds to its own list."""
    listed = getattr(importlib.import_module("gateway.run"), "_CONVERSATION_SCOPED_STATE", ())
    return tuple(dict.fromkeys(name for name in (*CONVERSATION_STATE, *listed) if name != _QUEUE))


def _without_objects(value: Any) -> Any:
    """Return ``value`` without a model override's live pool of logins, which is found again."""
    if isinstance(value, dict):
        return {
            name: _without_objects(item)
            for name, item in value.items()
            if name != "credential_pool"
        }
    return value


def _with_fresh_login(override: dict[str, Any]) -> dict[str, Any]:
    """Return a model override with the provider's login as it is today: tokens expire.

    The saved one stays where the override points to another address than the provider has now: a
    key must not be sent to an address that it was not meant for.
    """
    provider, address = override.get("provider"), override.get("base_url")
    resolve = getattr(
        importlib.import_module("gateway.run"), "_resolve_runtime_agent_kwargs_for_provider", None
    )
    if not provider or resolve is None:
        return override
    try:
        login = resolve(provider)
    except Exception:  # noqa: BLE001 - boundary: as Hermes does when it restores an override
        return override
    if not login.get(_SAVED_KEY) or (login.get("base_url") or address) != address:
        return override
    return override | {name: login.get(name) for name in (_SAVED_KEY, "credential_pool")}


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """Let what goes wrong cost the state and a line in the log, not the turn."""
    try:
        yield
    except Exception:  # noqa: BLE001 - boundary: file and maps may hold anything
        _log.warning("the session's state was not %s", what, exc_info=True)
