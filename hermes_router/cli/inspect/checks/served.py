"""Find routed profiles that a gateway serves in its own process, without the router or always."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import running_gateway
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.profiles.bots import gateway_answers_own_bot, has_own_bot
from hermes_router.profiles.config import read_profile_config
from hermes_router.protocol.system.versions import hermes_version, release

#: Since this version a gateway serves all profiles of its root, and a marker file keeps one out.
_ALL_PROFILES_SINCE = (0, 21, 5)
_TRUE = frozenset({"true", "yes", "on", "1"})


def look(loaded: Loaded, marker: str) -> Iterator[Finding]:
    """Warn of each routed profile that Hermes serves itself as soon as the router is not loaded.

    One with a bot of its own is served also while the router is loaded; that is no warning. In a
    sandbox it is not served, and that nobody answers its bot is one. ``marker`` is the name of
    Hermes's file in the home of a parked profile.
    """
    config, home = loaded.config, loaded.home
    if config is None or not _serves_all_profiles(home.path):
        return
    for name in config.worker_profiles():
        folder = home.root / "profiles" / name
        if not _is_hermess(folder):
            continue
        parked, settings = (folder / marker).exists(), config.settings(name)
        if gateway_answers_own_bot(settings, folder, home.path):
            if not parked:
                yield _of_own_bot(name, folder)
            continue
        if has_own_bot(folder, home.path):
            yield _of_silent_bot(name, folder, settings.launcher)
        if not parked:
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


def _of_silent_bot(name: str, folder: Path, launcher: str) -> Finding:
    return Finding(
        check="profile-own-bot",
        severity="warning",
        what="this profile has a bot of its own, and nobody answers that bot: with the launcher "
        f"{launcher} the gateway does nothing for the profile in its own process",
        where=str(folder),
        mend="remove the bot's token from the profile's .env and config.yaml, or set "
        "`launcher: local` for it: then the gateway answers that bot, and runs the profile's "
        "plugins, hooks and MCP servers outside of any sandbox",
        profile=name,
    )


def _serves_all_profiles(gateway: Path) -> bool:
    """Say whether the gateway would serve other profiles than its own."""
    recent = release(hermes_version() or "") >= _ALL_PROFILES_SINCE
    return recent and not (gateway.parent.name == "profiles" and _stands_alone(gateway))


def _is_hermess(profile: Path) -> bool:
    """Say whether Hermes serves a profile that is not parked; its own gateway would keep it."""
    try:
        if not profile.is_dir() or profile.is_symlink() or not os.access(profile, os.X_OK):
            return False
        return not _stands_alone(profile) and running_gateway(profile) is None
    except OSError:
        return False  # this user may not read the profile; that is another finding


def _stands_alone(profile: Path) -> bool:
    """Say whether a profile's own configuration keeps it out of any other profile's gateway."""
    gateway = read_profile_config(profile / "config.yaml").get("gateway")
    value = gateway.get("standalone") if isinstance(gateway, dict) else None
    return str(value).strip().lower() in _TRUE
