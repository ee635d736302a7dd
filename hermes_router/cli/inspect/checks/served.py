"""Find routed profiles that a gateway serves in its own process, without the router or always."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import running_gateway
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.profiles.bots import has_own_bot
from hermes_router.profiles.config import read_profile_config
from hermes_router.protocol.system.versions import hermes_version, release

#: Since this version a gateway serves all profiles of its root, and a marker file keeps one out.
_ALL_PROFILES_SINCE = (0, 21, 5)
_TRUE = frozenset({"true", "yes", "on", "1"})


def look(loaded: Loaded, marker: str) -> Iterator[Finding]:
    """Warn of each routed profile that Hermes serves itself as soon as the router is not loaded.

    One with a bot of its own is served also while the router is loaded; that is no warning.
    ``marker`` is the name of Hermes's file in the home of a parked profile.
    """
    config, home = loaded.config, loaded.home
    if config is None or not _serves_all_profiles(home.path):
        return
    for name in config.worker_profiles():
        folder = home.root / "profiles" / name
        if not _is_served(folder, folder / marker):
            continue
        if has_own_bot(folder, home.path):
            yield _of_own_bot(name, folder)
        else:
            yield Finding(
                check="profile-parked",
                severity="warning",
                what="Hermes answers as this profile in the gateway's own process when the router "
                "is not loaded: the profile is not parked",
                where=str(folder / marker),
                mend=home.router("enable"),
                profile=name,
            )


def _of_own_bot(name: str, folder: Path) -> Finding:
    return Finding(
        check="profile-own-bot",
        severity="info",
        what="this profile has a bot of its own, so the gateway serves it in its own process, as "
        "Hermes does: that bot's messages, plugins, hooks, MCP servers and cron jobs. Workers "
        "answer only what is routed to it",
        where=str(folder),
        profile=name,
    )


def _serves_all_profiles(gateway: Path) -> bool:
    """Say whether the gateway would serve other profiles than its own."""
    recent = release(hermes_version() or "") >= _ALL_PROFILES_SINCE
    return recent and not (gateway.parent.name == "profiles" and _stands_alone(gateway))


def _is_served(profile: Path, marker: Path) -> bool:
    """Say whether Hermes would serve a profile; one with its own gateway is left to that."""
    try:
        if not profile.is_dir() or profile.is_symlink() or marker.exists():
            return False
        return not _stands_alone(profile) and running_gateway(profile) is None
    except OSError:
        return False  # this user may not read the profile; that is another finding


def _stands_alone(profile: Path) -> bool:
    """Say whether a profile's own configuration keeps it out of any other profile's gateway."""
    gateway = read_profile_config(profile / "config.yaml").get("gateway")
    value = gateway.get("standalone") if isinstance(gateway, dict) else None
    return str(value).strip().lower() in _TRUE
