"""The one reader of the routes in the gateway's home, for the router and for the guard.

Both read the same routes, so both give the same answer. The reader needs little of Hermes: it works
even if the router itself cannot.
"""

from __future__ import annotations

import functools
import logging
import threading
from pathlib import Path

from hermes_router.base.errors import ProfileError
from hermes_router.config import model as configuration
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes.compat.seams import sending
from hermes_router.profiles import model
from hermes_router.workers import launchers

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_watchers: dict[Path, ConfigWatcher] = {}


def watcher_of(home: Path) -> ConfigWatcher:
    """Return the object that reads the routes in a gateway's home, the same one for every caller.

    The first call for a home makes it. It reads no file before somebody asks it for the routes.
    """
    with _lock:
        if home not in _watchers:
            _watchers[home] = _watcher(home)
        return _watchers[home]


def _watcher(home: Path) -> ConfigWatcher:
    return ConfigWatcher(
        home / "config.yaml",
        functools.partial(
            configuration.load,
            home / "config.yaml",
            gateway_profile=model.profile_name_of(home),
            known_platforms=_known_platforms(),
            profile_exists=functools.partial(profile_exists, model.hermes_root(home)),
            launcher_obstacle=launchers.check,
        ),
    )


def _known_platforms() -> frozenset[str] | None:
    try:
        return sending.known_platforms()
    except Exception:
        logger.exception("hermes-router: this Hermes does not say which platforms it knows")
        return None


def profile_exists(root: Path, name: str) -> bool:
    """Return True if the Hermes root has a profile of this name."""
    try:
        model.find(name, root)
    except ProfileError:
        return False
    return True
