"""Check whether everybody who may write to the bot may also command the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from hermes_router.base.errors import ProfileError
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.profiles.config import platform_settings
from hermes_router.profiles.model import Profile

_ADMINS = ("allow_admin_from", "group_allow_admin_from")


def look(loaded: Loaded) -> Iterator[Finding]:
    """Warn if everybody who may write may also restart the gateway of several profiles."""
    config = loaded.config
    if config is None or len(config.worker_profiles()) < 2:
        return
    gateway = Profile(loaded.home.profile, loaded.home.path)
    try:
        open_to_all = [
            platform
            for platform in sorted({route.platform for route in config.table.routes})
            if not any(platform_settings(gateway, platform).get(name) for name in _ADMINS)
        ]
    except ProfileError:
        return  # reported with the configuration
    if open_to_all:
        yield Finding(
            check="gateway-commands",
            severity="warning",
            what=f"everybody who may write on {', '.join(open_to_all)} may restart and update "
            "the gateway of all profiles (/restart, /update)",
            where=str(loaded.home.config),
            mend="list the gateway's admins in platforms.<platform>.extra.allow_admin_from and "
            "group_allow_admin_from",
        )
