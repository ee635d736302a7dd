"""Keep the gateway from doing a routed profile's work in its own process.

With multiplexing (Hermes's setting), a gateway serves every profile: its cron jobs, hooks, MCP
servers, plugins, loops and bots. Hermes asks two functions which profiles those are. Both leave out
a routed profile, as if it were parked: its workers do its work.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hermes_router.base.errors import ConfigError
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.compat.seams import gateway_runner
from hermes_router.hermes.routes import watcher_of
from hermes_router.profiles import model
from hermes_router.profiles.bots import gateway_answers_own_bot

logger = logging.getLogger(__name__)


def hold_back_routed_profiles() -> None:
    """Replace the two functions of Hermes that say which profiles this gateway serves itself.

    The swap calls this. Both functions leave out from then on each profile for which
    :func:`is_held_back` returns True.
    """
    patching.apply(patches.SERVED, _served)
    patching.apply(patches.PARKED, _is_parked)


def _served(original: Any, *args: Any, **kwargs: Any) -> list[tuple[str, Path]]:
    """List the profiles to serve; a caller that passes ``include_parked`` gets all profiles."""
    rows: list[tuple[str, Path]] = original(*args, **kwargs)
    if kwargs.get("include_parked"):
        return rows
    return [(name, home) for name, home in rows if not is_held_back(Path(home))]


def _is_parked(original: Any, home: Any) -> bool:
    return bool(original(home)) or is_held_back(Path(home))


def is_held_back(profile_home: Path) -> bool:
    """Return True if this gateway must not serve a profile in its own process.

    While no routes could be read, it serves only its own profile. A profile with a bot of its own
    is served, unless it is in a sandbox: otherwise nobody would answer that bot's messages.
    """
    own = gateway_runner.hermes_home()
    if profile_home.resolve() == own.resolve():
        return False
    if model.hermes_root(profile_home).resolve() != model.hermes_root(own).resolve():
        return False
    try:
        config = watcher_of(own).current()
    except ConfigError:
        return True
    name = model.profile_name_of(profile_home)
    if name not in config.worker_profiles():
        return False
    return not gateway_answers_own_bot(config.settings(name), profile_home, own)
