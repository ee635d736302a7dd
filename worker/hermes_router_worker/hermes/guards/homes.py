"""Which folders are homes: those of users, and those of Hermes.

The list is read when a guard asks, so that a profile that was created meanwhile counts too. This
module imports no Hermes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
from collections.abc import Iterable
from pathlib import Path


def own_home() -> Path:
    """Return the Hermes home of this worker's profile."""
    return _own().resolve()


def hermes_root() -> Path:
    """Return Hermes's root: the default profile's home.

    Its folder ``profiles`` holds the homes of the other profiles, or links to them.
    """
    return _root().resolve()


def account_home() -> Path:
    """Return the home folder of the user that runs the gateway.

    There, ``~`` means this folder. In a worker, ``~`` is the profile's own folder for tools.
    """
    return _account().resolve()


def hermes_homes(*, links: bool = False) -> list[Path]:
    """Return the Hermes homes on this machine: this profile's, the root's, all other profiles'.

    They are resolved; with ``links`` each is there as it is written too, if that differs.
    """
    root = _root()
    homes = [_own(), root]
    with contextlib.suppress(OSError):
        homes += [path for path in (root / "profiles").iterdir() if path.is_dir()]
    return _spelled(homes, links=links)


def user_homes(*, links: bool = False) -> list[Path]:
    """Return each folder that is somebody's HOME: the account's and every profile's.

    ``links`` is as for :func:`hermes_homes`.
    """
    homes = [Path.home(), _account()]
    user = _home_of_user()
    homes += [user] if user is not None else []
    homes += [home / "home" for home in hermes_homes(links=links)]
    return _spelled(homes, links=links)


def is_foreign(path: Path) -> bool:
    """Return True if ``path`` belongs to another profile or to the root, not to this profile.

    Of homes that lie in each other, a file belongs to the innermost. A file outside of all homes is
    not foreign.
    """
    resolved, profiles = path.resolve(), (_root() / "profiles").resolve()
    holding = [home for home in (*hermes_homes(), profiles) if resolved.is_relative_to(home)]
    return bool(holding) and max(holding, key=lambda home: len(home.parts)) != own_home()


def _own() -> Path:
    return Path(os.environ["HERMES_HOME"])


def _root() -> Path:
    """Return the root as it is written: a profile's home below it may be a link to elsewhere."""
    own = _own()
    return own.parent.parent if own.parent.name == "profiles" else own


def _account() -> Path:
    told = os.environ.get("HERMES_REAL_HOME", "")
    return Path(told) if told else _home_of_user() or _own() / "home"


def _spelled(homes: Iterable[Path], *, links: bool) -> list[Path]:
    both = ((home.resolve(), home) if links else (home.resolve(),) for home in homes)
    return list(dict.fromkeys(itertools.chain.from_iterable(both)))


def _home_of_user() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # in a container, our user may have no entry
        return None
