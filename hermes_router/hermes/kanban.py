"""The one kanban board under routing: cards are worked on as their profile, notices reach topics.

Hermes's gateway dispatches the cards of all profiles and tells who subscribed to them. Both know
one home only: a card's process inherits the gateway's environment, and what a routed profile
subscribed to is left to a gateway of that profile, which there is not. A card that is done also
wakes the session that made it, in the place of the subscription: that is the routed profile's.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from hermes_router import profiles
from hermes_router.config import RouterConfig
from hermes_router.errors import ProfileError
from hermes_router.routing import Place

logger = logging.getLogger(__name__)


class Kanban:
    """The board as one gateway sees it; ``configuration`` returns the one in force, if any."""

    def __init__(
        self,
        configuration: Callable[[], RouterConfig | None],
        *,
        root: Path,
        initial: Mapping[str, str],
    ) -> None:
        self._configuration = configuration
        self._root = root
        self._initial = initial
        self._subscribed: set[tuple[str, str, str, str]] = set()

    def install(self) -> None:
        """Follow the board of this process's Hermes; what it lacks is logged."""
        try:
            board = importlib.import_module("hermes_cli.kanban_db")
        except ImportError:  # a Hermes without a board
            return
        for name, follow in (("_default_spawn", self._spawn), ("list_notify_subs", self._list)):
            original = getattr(board, name, None)
            if isinstance(original, FunctionType):
                setattr(board, name, functools.wraps(original)(functools.partial(follow, original)))
            else:
                logger.error(
                    "hermes-router: this Hermes lacks hermes_cli.kanban_db.%s: the board does not "
                    "know of routed profiles",
                    name,
                )

    def wakes(self, event: Any) -> bool:
        """Say whether an event is Hermes's to wake a session for a card of a routed place."""
        source = event.source
        place = (source.platform.value, str(source.chat_id), str(source.thread_id or ""))
        return bool(event.internal and not event.message_id) and any(
            task in event.text for task, *where in self._subscribed if tuple(where) == place
        )

    def _spawn(self, original: FunctionType, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Start the process of a card; that of a routed profile with an environment of its own."""
        config = self._configuration()
        name = str(task.assignee or "").strip().lower()
        if config is None or name not in config.worker_profiles():
            return original(task, *args, **kwargs)
        settings = config.settings(name)
        if settings.launcher != "local":
            raise RuntimeError(
                f"profile {name!r} works in a sandbox (launcher: {settings.launcher}), and Hermes "
                "would start a card's process outside of it; assign the card to another profile"
            )
        environment = self._environment(name, settings.env.names)
        logger.info("profile %s: kanban card %s is dispatched", name, task.id)
        return with_environment(original, environment)(task, *args, **kwargs)

    def _environment(self, name: str, passed: Any) -> dict[str, str]:
        try:
            profile = profiles.find(name, self._root)
            profiles.prepare(profile)
        except ProfileError as error:
            raise RuntimeError(str(error)) from error
        tmpdir = Path(profiles.temporary_folder(self._initial) or "/tmp")  # noqa: S108
        environment = profiles.worker_environment(
            profile, worker_id="", tmpdir=tmpdir, initial=self._initial, passed=passed
        )
        del environment[profiles.WORKER_VARIABLE]  # it is no worker: it outlives all of them
        return environment

    def _list(self, original: FunctionType, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """List subscriptions; this gateway serves those of routed profiles in their own places."""
        return [self._served(subscription) for subscription in original(*args, **kwargs)]

    def _served(self, subscription: dict[str, Any]) -> dict[str, Any]:
        config = self._configuration()
        if config is None:
            return subscription
        thread = str(subscription.get("thread_id") or "")
        where = (str(subscription["platform"]).lower(), str(subscription["chat_id"]), thread)
        user = subscription.get("user_id")
        decision = config.decide(Place(where[0], where[1], thread or None, user and str(user)))
        owner = subscription.get("notifier_profile")
        if decision.action != "worker" or owner not in {None, "", decision.profile}:
            return subscription
        self._subscribed.add((str(subscription["task_id"]), *where))
        return subscription | {"notifier_profile": None}


def with_environment(function: FunctionType, environment: Mapping[str, str]) -> FunctionType:
    """Return a function that finds ``environment`` where it reads ``os.environ``.

    What it calls is not concerned, and no other thread is.
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
