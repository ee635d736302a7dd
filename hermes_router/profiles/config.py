"""Read the few settings of a profile's own ``config.yaml`` that the gateway needs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.base.tasks import in_thread
from hermes_router.config.yaml import load, plain_value
from hermes_router.profiles.model import Profile

logger = logging.getLogger(__name__)

#: A configuration with more bytes is not read, as a profile could block the gateway with it.
_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionScope:
    """A profile's settings that decide whose messages make one session.

    The first two say whether each member of a group, or of a thread, has a session of their own.
    ``programs`` are the profile's ``quick_commands`` that run a program: such a command needs no
    model.
    """

    group_sessions_per_user: bool = True
    thread_sessions_per_user: bool = False
    programs: frozenset[str] = frozenset()


class SessionScopes:
    """Reads the session scopes of profiles, and reads one again when its ``config.yaml`` changed.

    The gateway needs them to compute a session's key as the profile would.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], SessionScope]] = {}

    async def of(self, profile: Profile) -> SessionScope:
        """Return the profile's session scope; a setting that is missing has Hermes's default.

        Raises:
            ProfileError: the profile's configuration cannot be read. Hermes would use its defaults
                then, but these may not be what the profile's owner chose.
        """
        path = profile.home / "config.yaml"
        try:
            stat = path.stat()
        except OSError:
            return SessionScope()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            scope = await in_thread(_read, profile, path)
            known = self._known[path] = (stamp, scope)
        return known[1]


def _read(profile: Profile, path: Path) -> SessionScope:
    try:
        values = _load(path)
    except (OSError, ConfigError) as error:
        logger.warning("profile %s: %s", profile.name, error)
        raise ProfileError(
            "has a config.yaml that cannot be read", profile=profile.name, where=str(path)
        ) from error
    nested = values.get("gateway")
    gateway = nested if isinstance(nested, dict) else {}
    default = SessionScope()

    def setting(name: str) -> bool:
        value = values.get(name, gateway.get(name, getattr(default, name)))
        return value if isinstance(value, bool) else getattr(default, name)

    return SessionScope(
        setting("group_sessions_per_user"), setting("thread_sessions_per_user"), _programs(values)
    )


def _programs(values: dict[str, Any]) -> frozenset[str]:
    commands = _block(values, "quick_commands")
    return frozenset(name for name in commands if _block(commands, name).get("type") == "exec")


def platform_settings(profile: Profile, platform: str) -> dict[str, Any]:
    """Return a profile's settings of a platform, from all sections in which Hermes looks for them.

    Raises:
        ProfileError: the profile's configuration cannot be read.
    """
    path = profile.home / "config.yaml"
    if not path.exists():
        return {}
    try:
        values = _load(path)
    except (OSError, ConfigError) as error:
        raise ProfileError(
            "has a config.yaml that cannot be read", profile=profile.name, where=str(path)
        ) from error
    blocks = [_block(values, platform), _block(values, "platforms", platform)]
    blocks.append(_block(values, "gateway", "platforms", platform))
    found: dict[str, Any] = {}
    for block in blocks:
        found |= block | _block(block, "extra")
    return found


def _block(values: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = values.get(name)
        values = value if isinstance(value, dict) else {}
    return values


def read_profile_config(path: Path) -> dict[str, Any]:
    """Return a profile's ``config.yaml`` as plain values; an empty mapping if it cannot be read."""
    try:
        return _load(path)
    except (OSError, ConfigError):
        return {}


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise OSError(f"it is larger than {_MAX_BYTES} bytes")
    node = load(path)
    values = plain_value(node) if node is not None else {}
    if not isinstance(values, dict):
        raise OSError("it is not a mapping")
    return values
