"""What Hermes keeps of a session only in its process: settings, approvals, queued messages.

This module reads and writes it where Hermes keeps it: in maps of the runner, in ``tools.approval``,
in the adapter. :mod:`hermes_router_worker.home.session_state` keeps it between two workers.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.events import event_from_plain, event_to_plain
from hermes_router_worker.hermes.home.session_store import fresh_entry

#: Maps of ``GatewayRunner``, by session key, that Hermes clears at the end of a conversation. The
#: maps that the installed Hermes itself names are added; the last line has maps that it does not
#: name.
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

#: The name of the queued messages in the state.
QUEUE = "_queued_events"
_CHANNEL_PIN = "channel_pin"
_TUPLES = frozenset({"_session_ephemeral_pin"})
_SAVED_KEY = "api_key"


class Memory:
    """One session's part of what one runner and its adapter keep in memory only.

    :mod:`hermes_router_worker.home.session_state` reads it here at a worker's end, and puts it back
    in the session's next worker.
    """

    def __init__(self, runner: Any, adapter: Any, session_key: str) -> None:
        self._runner = runner
        self._adapter = adapter
        self._key = session_key

    # -- what there is to remember -------------------------------------------------------------

    def parts(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield a name and a function for each map of the runner that has a value for the session.

        The name is the map's. The function returns the value as plain data, and raises an error if
        it has no such form.
        """
        for name in _maps():
            holder = getattr(self._runner, name, None)
            if isinstance(holder, MutableMapping) and self._key in holder:
                yield (
                    name,
                    lambda held=holder[self._key]: json.loads(  # type: ignore[misc]
                        json.dumps(_without_objects(held))
                    ),
                )

    def fixed(self) -> dict[str, Any]:
        """Return what lies in no map of the runner, by name: channel pin, approvals."""
        return self._channel_pin() | self._approvals()

    def queue(
        self, first: list[Any], without: Callable[[Any], bool], *, promoted: bool = False
    ) -> list[Any]:
        """Return the queued messages as plain data, behind the events ``first``.

        Events of which ``without`` is true are left out. Hermes takes the next message out of its
        queue before it begins it; with ``promoted``, that message is one of them.
        """
        slot = self._adapter._pending_messages.get(self._key) if promoted else None
        next_one = [] if slot is None else [slot]
        queue = [*first, *next_one, *self._queue().get(self._key, [])]
        return [event_to_plain(event) for event in queue if not without(event)]

    def _channel_pin(self) -> dict[str, Any]:
        """Return what a turn without a message takes from the last turn (since Hermes 0.21)."""
        peek = getattr(self._runner, "_peek_session_state", None)
        held = None if peek is None else peek(self._key)
        pin = None if held is None else getattr(held.conversation, _CHANNEL_PIN, None)
        return {} if pin is None else {_CHANNEL_PIN: list(pin)}

    def _approvals(self) -> dict[str, Any]:
        approval = importlib.import_module("tools.approval")
        state: dict[str, Any] = {}
        if approval.is_session_yolo_enabled(self._key):
            state["yolo"] = True
        if approved := approval._session_approved.get(self._key):
            state["approved"] = sorted(approved)
        return state

    # -- putting it back -----------------------------------------------------------------------

    def restore(self, name: str, value: Any) -> None:
        """Put one part of a saved state back into Hermes's memory, where Hermes looks for it.

        ``name`` is as in :meth:`parts` or :meth:`fixed`, or :data:`QUEUE`; ``value`` is what was
        saved under it. A name that this Hermes does not know is ignored. A model's login is looked
        up anew.
        """
        approval = importlib.import_module("tools.approval")
        if name == "yolo":
            if self._yolo_holds():
                approval.enable_session_yolo(self._key)
        elif name == "approved":
            for pattern in value:
                approval.approve_session(self._key, pattern)
        elif name == QUEUE:
            self._queue()[self._key] = [event_from_plain(event) for event in value]
        elif name == _CHANNEL_PIN:
            setattr(self._runner._session_state(self._key).conversation, name, tuple(value))
        elif name in _maps():
            self._map(name)[self._key] = self._revived(name, value)

    def _yolo_holds(self) -> bool:
        """Say whether nobody has ended ``/yolo`` since it was saved.

        Since 0.22, Hermes writes it into the session's row before it changes what is in memory.
        """
        if not hasattr(importlib.import_module("gateway.session").SessionEntry, "yolo"):
            return True
        entry = fresh_entry(self._runner.session_store, self._key)
        return entry is not None and bool(entry.yolo)

    def _revived(self, name: str, value: Any) -> Any:
        if name == "_session_model_overrides":
            return _with_fresh_login(value)
        if name == "_pending_one_turn_model_restores" and value.get("override"):
            return value | {"override": _with_fresh_login(value["override"])}
        return tuple(value) if name in _TUPLES else value

    def _map(self, name: str) -> MutableMapping[str, Any]:
        """Return a map of the runner; make one if only the class has an empty one.

        Since 0.20, most maps are views: setting the attribute would clear what they show.
        """
        view = isinstance(getattr(type(self._runner), name, None), property)
        if not view and not isinstance(vars(self._runner).get(name), MutableMapping):
            setattr(self._runner, name, {})
        holder: MutableMapping[str, Any] = getattr(self._runner, name)
        return holder

    def _queue(self) -> MutableMapping[str, list[Any]]:
        return self._map(QUEUE)

    # -- the queue -----------------------------------------------------------------------------

    def next_queued(self) -> Any:
        """Take the next message from Hermes's queue that Hermes would not begin by itself, or None.

        It is None while Hermes works on a message: then Hermes begins the next one itself.
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

    def take_queue(self) -> list[Any]:
        """Remove and return the session's messages that wait for a turn, in their order."""
        pending = self._adapter._pending_messages.pop(self._key, None)
        first = [pending] if pending is not None else []
        return [*first, *self._queue().pop(self._key, [])]

    # -- boundaries ----------------------------------------------------------------------------

    def follow_boundaries(self, ended: Callable[[str], None]) -> None:
        """Have ``ended`` called with the session's key each time Hermes ends a conversation.

        It is called for any session, after Hermes has cleared its memory of the conversation
        (``/new``, a reset, an expiry).
        """

        def clearing(clear: Callable[..., Any]) -> Callable[..., Any]:
            def cleared(session_key: str, *args: Any, **kwargs: Any) -> Any:
                result = clear(session_key, *args, **kwargs)
                ended(session_key)
                return result

            return cleared

        replacements.FORGET_CONVERSATION.replace(clearing, on=self._runner)


def _maps() -> tuple[str, ...]:
    """Return the names of the maps, including those that this Hermes adds to its own list."""
    listed = getattr(importlib.import_module("gateway.run"), "_CONVERSATION_SCOPED_STATE", ())
    return tuple(dict.fromkeys(name for name in (*CONVERSATION_STATE, *listed) if name != QUEUE))


def _without_objects(value: Any) -> Any:
    """Return ``value`` without a model override's live pool of logins, which Hermes finds again."""
    if isinstance(value, dict):
        return {
            name: _without_objects(item)
            for name, item in value.items()
            if name != "credential_pool"
        }
    return value


def _with_fresh_login(override: dict[str, Any]) -> dict[str, Any]:
    """Return a model override with the provider's current login, because tokens expire.

    If the override has another address than the provider has now, its saved login stays: a key must
    not be sent to an address that it was not meant for.
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
