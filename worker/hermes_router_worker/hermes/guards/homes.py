"""Which folders are homes: those of users, and those of Hermes.

The list is read when a guard asks, so that a profile that was created meanwhile counts too. This
module imports no Hermes.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path


def own_home() -> Path:
    """Return the Hermes home of this worker's profile."""
    return Path(os.environ["HERMES_HOME"]).resolve()


def hermes_root() -> Path:
    """Return Hermes's root: the default profile's home.

    Its folder ``profiles`` holds the homes of the other profiles.
    """
    own = own_home()
    return own.parent.parent if own.parent.name == "profiles" else own


def account_home() -> Path:
    """Return the HOME of the gateway: what ``~`` means to a Hermes without routing."""
    told = os.environ.get("HERMES_REAL_HOME", "")
    return Path(told).resolve() if told else _home_of_user() or own_home() / "home"


def hermes_homes() -> list[Path]:
    """Return the Hermes homes on this machine: this profile's, the root's, all other profiles'."""
    root = hermes_root()
    homes = [own_home(), root]
    with contextlib.suppress(OSError):
        homes += [path.resolve() for path in (root / "profiles").iterdir() if path.is_dir()]
    return list(dict.fromkeys(homes))


def user_homes() -> list[Path]:
    """Return each folder that is somebody's HOME: the account's and every profile's."""
    homes = [Path.home().resolve(), account_home()]
    user = _home_of_user()
    homes += [user] if user is not None else []
    homes += [home / "home" for home in hermes_homes()]
    return list(dict.fromkeys(homes))


def is_foreign(path: Path) -> bool:
    """Say whether ``path`` belongs to another profile or to the gateway, not to this profile."""
    resolved, own, root = path.resolve(), own_home(), hermes_root()
    if own == root:
        return resolved.is_relative_to(root / "profiles")
    return resolved.is_relative_to(root) and not resolved.is_relative_to(own)


def _home_of_user() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir).resolve()
    except KeyError:  # in a container, our user may have no entry
        return None
