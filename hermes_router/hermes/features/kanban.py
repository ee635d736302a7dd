"""The one kanban board under routing: its cards run as their profile, its notices reach topics.

Hermes's gateway starts the cards of all profiles and sends the notices to subscribers. Both parts
know only the gateway's home. A card's process inherits the gateway's environment. The subscriptions
of a routed profile are left to a gateway of that profile, but no such gateway exists. A finished
card also wakes the session that made it, in the place of the subscription; that session belongs to
the routed profile.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from hermes_router.base.errors import ProfileError
from hermes_router.config.model import RouterConfig
from hermes_router.config.settings import Limits
from hermes_router.hermes.compat import board
from hermes_router.hermes.compat.events import place_of
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.profiles import model
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.relay import board_files
from hermes_router.relay.kanban import Subscriptions
from hermes_router.state.known_conversations import KnownConversations

logger = logging.getLogger(__name__)

_card_environment: ContextVar[dict[str, str] | None] = ContextVar("card", default=None)
"""The environment for the process of the card that this thread starts."""


class Kanban:
    """Fits Hermes's kanban board to routing: how cards start, and where their notices go.

    ``configuration`` returns the current configuration, or None. ``initial`` is the environment
    that the gateway was started with. ``seen`` are the conversations that profiles have served.
    """

    def __init__(
        self,
        configuration: Callable[[], RouterConfig | None],
        *,
        root: Path,
        initial: Mapping[str, str],
        seen: KnownConversations,
    ) -> None:
        self._configuration = configuration
        self._root = root
        self._initial = initial
        self._subscriptions = Subscriptions(seen.of)

    def install(self, runner: Any) -> None:
        """Replace Hermes's functions that start cards, list subscriptions and attach files.

        The router calls this at its start: from then on cards of routed profiles run as these
        profiles. If a function is missing whose loss matters to people, this is logged.
        """
        patching.apply(patches.KANBAN_ARTIFACTS, self._attach, owner=runner)
        patching.apply(patches.KANBAN_SPAWN, self._spawn)
        patching.apply(patches.CHILD_ENVIRONMENT, _child_environment)
        patching.apply(patches.KANBAN_SUBSCRIPTIONS, self._list)
        patching.apply(patches.KANBAN_COUNT, self._count)

    def wakes(self, event: Any) -> bool | None:
        """Return whether Hermes's event about a card begins a turn in a routed place.

        Hermes makes such an event when a card changes that somebody there subscribed to. True: the
        place's worker gets it. False: nobody gets it, as the subscriber is another profile, which
        only gets the notice. None: the event is no such event.
        """
        if not event.internal or event.message_id:
            return None
        return self._subscriptions.wakes(event.text, place_of(event.source))

    def _spawn(self, original: FunctionType, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Start the process of a card; for a routed profile, with that profile's environment.

        Raises:
            RuntimeError: the profile uses a sandbox, or cannot be used; Hermes reports the card.
        """
        config = self._configuration()
        name = str(task.assignee or "").strip().lower()
        if config is None or name not in config.worker_profiles():
            return original(task, *args, **kwargs)
        settings = config.settings(name)
        if settings.launcher != "local":
            raise RuntimeError(
                f"profile {name!r} works in a sandbox (launcher: {settings.launcher}), and "
                "Hermes would start the card's process outside of the sandbox; assign the card "
                "to another profile"
            )
        environment = self._environment(name, settings.env.names)
        logger.info("profile %s: kanban card %s is dispatched", name, task.id)
        token = _card_environment.set(environment)
        try:
            return with_environment(original, environment)(task, *args, **kwargs)
        finally:
            _card_environment.reset(token)

    def _environment(self, name: str, passed: Any) -> dict[str, str]:
        try:
            profile = model.find(name, self._root)
            model.prepare(profile)
        except ProfileError as error:
            raise RuntimeError(str(error)) from error
        tmpdir = Path(model.temporary_folder(self._initial) or "/tmp")  # noqa: S108
        environment = model.worker_environment(
            profile, worker_id="", tmpdir=tmpdir, initial=self._initial, passed=passed
        )
        del environment[WORKER_VARIABLE]  # a card's process is no worker: it outlives them
        return environment

    async def _attach(
        self,
        original: Callable[..., Any],
        *,
        adapter: Any,
        event_payload: Any,
        task: Any,
        **to: Any,
    ) -> None:
        """Attach a finished card's files; if sandboxes write the board, only files of the board."""
        if not self._sandboxes_write():
            await original(adapter=adapter, event_payload=event_payload, task=task, **to)
            return
        with tempfile.TemporaryDirectory(prefix="hermes-router-kanban-") as folder:
            files = await asyncio.to_thread(
                board_files.copies,
                _named_files(adapter, event_payload, task),
                board.folder(),
                Path(folder),
                most=Limits().file_bytes,
            )
            await original(adapter=adapter, event_payload={"artifacts": files}, task=None, **to)

    def _sandboxes_write(self) -> bool:
        """Say whether a profile in a sandbox may write the board."""
        config = self._configuration()
        every = [] if config is None else [config.settings(n) for n in config.worker_profiles()]
        return any(one.launcher != "local" and "kanban" in one.share for one in every)

    def _list(self, original: FunctionType, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """List subscriptions; those of routed profiles are included as far as the policy allows."""
        config = self._configuration()
        if config is None:
            return original(*args, **kwargs)  # type: ignore[no-any-return]
        rows: list[dict[str, Any]] = original(*args, **_with_owners(kwargs, config))
        served = (self._subscriptions.served(row, config) for row in rows)
        return [row for row in served if row is not None]

    def _count(self, original: FunctionType, *args: Any, **kwargs: Any) -> Any:
        """Count subscriptions, including those of routed profiles."""
        config = self._configuration()
        return original(*args, **(kwargs if config is None else _with_owners(kwargs, config)))


def _with_owners(asked: Mapping[str, Any], config: RouterConfig) -> dict[str, Any]:
    """Add the routed profiles to the owners that the caller names, if the caller names any."""
    owners = asked.get("notifier_profiles")
    if owners is None:
        return dict(asked)
    return {**asked, "notifier_profiles": {*owners, *config.worker_profiles()}}


def _child_environment(original: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, str]:
    """Return what a child process inherits; a card's process gets its profile's environment."""
    environment = _card_environment.get()
    return original(*args, **kwargs) if environment is None else dict(environment)


def _named_files(adapter: Any, payload: Any, task: Any) -> list[str]:
    """Return the files that Hermes would attach: the card's artifacts, and paths in its texts."""
    payload = payload if isinstance(payload, dict) else {}
    listed = payload.get("artifacts")
    named = [str(one) for one in listed] if isinstance(listed, list | tuple) else []
    for text in (payload.get("summary"), getattr(task, "result", None)):
        if text:
            named += adapter.extract_local_files(str(text))[0]
    return named


def with_environment(function: FunctionType, environment: Mapping[str, str]) -> FunctionType:
    """Return a copy of a function in which ``os.environ`` is ``environment``.

    Hermes's function that starts a card takes the card's environment from there. Functions that it
    calls, and other threads, still see the real ``os.environ``.
    """
    system = importlib.import_module("os")
    view = SimpleNamespace(**vars(system) | {"environ": dict(environment)})
    copy = FunctionType(
        function.__code__,
        function.__globals__ | {"os": view},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
