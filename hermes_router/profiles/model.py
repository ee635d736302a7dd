"""Profiles on disk, and the folders and environment variables that their workers get.

A worker's environment is built from scratch and inherits nothing of the gateway's ``os.environ``.
The reason is that Hermes has loaded the default profile's ``.env`` into it, so even PATH may be
that profile's. Only values that the gateway process was started with may be passed on.
"""

from __future__ import annotations

import errno
import os
import re
import site
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.protocol.system import proc
from hermes_router.protocol.system.start import WORKER_VARIABLE

PROFILE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")

#: Every worker gets these variables, with the values that the gateway process was started with.
INHERITED_NAMES = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "USER",
        "LOGNAME",
        "SHELL",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "HERMES_DISABLE_LAZY_INSTALLS",
        # where a packaged Hermes finds its own files
        "HERMES_BUNDLED_LOCALES",
        "HERMES_BUNDLED_PLUGINS",
        "HERMES_BUNDLED_SKILLS",
        "HERMES_OPTIONAL_SKILLS",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    }
)
_INHERITED_PREFIX = "LC_"

#: Files of which a profile's home has at least one, as Hermes 0.21 and newer have it. A folder
#: without them is what a process left that wrote into a home which had been moved away or deleted.
IDENTITY = ("config.yaml", ".env", "SOUL.md", "profile.yaml", "auth.json", "state.db")

#: Hermes's file in the home of a profile that no gateway is to serve, since 0.21.5.
PARKED = "gateway.parked"

#: What to do if a home cannot be written.
_OWNER = "make the user that runs the gateway the owner of the folder and all in it"
_ASIDE = "move it aside: a folder belongs there"
_HINTS = {
    errno.EROFS: "mount its file system so that it can be written",
    errno.ENOSPC: "make room on its file system",
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), _ASIDE),
}

_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - for private folders, not for files


@dataclass(frozen=True, slots=True)
class Profile:
    """An existing profile: its name and its Hermes home."""

    name: str
    home: Path

    @property
    def tool_home(self) -> Path:
        """The folder that the profile's processes get as HOME; tools keep their logins there."""
        return self.home / "home"

    @property
    def workspace(self) -> Path:
        """The working directory of the profile's processes, unless the profile sets another."""
        return self.home / "workspace"

    @property
    def logs(self) -> Path:
        """The folder of the profile's log files."""
        return self.home / "logs"


def hermes_root(home: Path) -> Path:
    """Return the Hermes root for a home, which is the root itself or a profile's home below it."""
    return home.parent.parent if home.parent.name == "profiles" else home


def profile_name_of(home: Path) -> str:
    """Return the name of the profile whose Hermes home is ``home``."""
    return home.name if home.parent.name == "profiles" else "default"


def find(name: str, root: Path) -> Profile:
    """Return the profile ``name`` of the Hermes root ``root``.

    Raises:
        ProfileError: the name is not valid, there is no such profile, its home has no file of a
            profile, or it is a link to another profile's home.
    """
    if name == "default":
        return Profile(name, root)
    if not PROFILE_NAME.match(name):
        raise ProfileError("is not a profile name", profile=name)
    home = root / "profiles" / name
    if not home.is_dir():
        raise ProfileError(
            "does not exist",
            profile=name,
            where=str(home),
            hint=_create(name),
        )
    if home.is_symlink():
        _refuse_anothers(name, home, root)
    if not has_identity(home):
        raise ProfileError(
            "does not exist any more: its folder has no " + " or ".join(IDENTITY),
            profile=name,
            where=str(home),
            hint=f"move it aside, then move the profile back, or: {_create(name)}",
        )
    return Profile(name, home)


def _create(name: str) -> str:
    """Return the command that makes a profile which can answer: a copy's model and key work."""
    return f"hermes profile create {name} --clone"


def names(root: Path) -> list[str]:
    """Return the names of a root's profiles, sorted, without the default profile.

    The list is empty if the folder ``profiles`` is missing or cannot be read.
    """
    try:
        homes = (root / "profiles").iterdir()
        found = [path for path in homes if PROFILE_NAME.match(path.name) and path.is_dir()]
        return sorted(path.name for path in found if has_identity(path))
    except OSError:
        return []


def has_identity(home: Path) -> bool:
    """Return True if a folder below ``profiles`` has a file that makes it the home of a profile.

    :data:`IDENTITY` lists these files. It is True as well if this user may not look into the
    folder: then the error to tell is that one, and not a missing profile.
    """
    return any(os.path.lexists(home / name) for name in IDENTITY) or not os.access(home, os.X_OK)


def _refuse_anothers(name: str, home: Path, root: Path) -> None:
    """Raise ``ProfileError`` if the home is a link to another home, or to a folder with homes."""
    real, real_root = _real(home), _real(root)
    others = {_real(path) for path in (root / "profiles").iterdir() if path.name != name}
    inside = any(real == other or real.is_relative_to(other) for other in others)
    if inside or real_root.is_relative_to(real) or real == _real(root / "profiles"):
        raise ProfileError(
            "has a home that is a link to another profile's home or to the root",
            profile=name,
            where=f"{home} -> {real}",
            hint=f"remove the link and create the profile: {_create(name)}",
        )


def _real(path: Path) -> Path:
    """Return a path without links; ``Path.resolve`` raises for links that go round in a circle."""
    return Path(os.path.realpath(path))


def prepare(profile: Profile) -> None:
    """Create the folders that a worker of the profile needs, if they are missing.

    The gateway calls it before it starts a worker.

    Raises:
        ProfileError: the profile's home cannot be written.
    """
    try:
        for folder in (profile.tool_home, profile.workspace, profile.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ProfileError(
            f"has a home that cannot be written: {error.strerror}",
            profile=profile.name,
            where=str(error.filename or profile.home),
            hint=_HINTS.get(error.errno or 0, _OWNER),
        ) from error


def check_writable(profile: Profile) -> None:
    """Check that a worker could write in a profile's home, without writing anything.

    The gateway uses it to tell of an unusable profile before a message comes.

    Raises:
        ProfileError: the home cannot be written, or a file is where :func:`prepare` needs a folder.
    """
    needed = (profile.tool_home, profile.workspace, profile.logs)
    wrong = [folder for folder in needed if os.path.lexists(folder) and not folder.is_dir()]
    if not os.access(profile.home, os.W_OK | os.X_OK):
        wrong.insert(0, profile.home)
    if wrong:
        raise ProfileError(
            "has a home that cannot be written",
            profile=profile.name,
            where=str(wrong[0]),
            hint=_ASIDE if wrong[0] != profile.home else _hint_for_closed(profile.home),
        )


def _hint_for_closed(home: Path) -> str:
    """Return what to do about a home that this process may not write."""
    return _HINTS[errno.EROFS] if is_on_read_only(home) else _OWNER


def is_on_read_only(path: Path) -> bool:
    """Return True if a path is on a file system that is mounted read-only; False if it is gone."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def in_one_line(error: ProfileError) -> str:
    """Return the message of an error, its cause, where it is and what to do, joined by "; "."""
    cause, where = error.__cause__, error.where
    why = ""
    if isinstance(cause, ConfigError) and cause.errors:
        why, where = cause.errors[0].message, cause.where
    elif isinstance(cause, OSError):
        why = cause.strerror or str(cause)
    parts = [error.message, "" if why in error.message else why, where, error.hint]
    return "; ".join(part for part in parts if part)


def worker_environment(
    profile: Profile,
    *,
    worker_id: str,
    tmpdir: Path,
    initial: Mapping[str, str],
    passed: Iterable[str] = (),
) -> dict[str, str]:
    """Return the whole environment of a worker of ``profile``.

    Args:
        profile: the profile that the worker serves.
        worker_id: marks the worker and all its descendants.
        tmpdir: the worker's private temporary folder.
        initial: the environment that the gateway process was started with.
        passed: names of further variables to pass on, from the configuration.
    """
    wanted = INHERITED_NAMES.union(passed)
    environment = {
        name: value
        for name, value in initial.items()
        if name in wanted or name.startswith(_INHERITED_PREFIX)
    }
    environment.update(
        {
            "HERMES_HOME": str(profile.home),
            "HOME": str(profile.tool_home),
            "HERMES_REAL_HOME": account_home(initial),
            "TMPDIR": str(tmpdir),
            "TERMINAL_HOME_MODE": "profile",
            WORKER_VARIABLE: worker_id,
        }
    )
    environment.update(_python_user_base())
    return environment


def account_home(initial: Mapping[str, str]) -> str:
    """Return the home folder of the gateway's user, as the gateway was started with it.

    Workers get it as ``HERMES_REAL_HOME``: Hermes itself uses this name if HOME is a profile's.
    """
    return initial.get("HERMES_REAL_HOME") or initial.get("HOME") or str(Path("~").expanduser())


def initial_environment(gateway_home: Path) -> dict[str, str]:
    """Return the environment that this process was started with, before Hermes changed it.

    Linux keeps it in ``/proc``. On other systems, or if a process title has overwritten it, this
    returns the current environment without the names that the gateway home's ``.env`` sets.
    """
    started_with = _proc_environment()
    if "PATH" in started_with:
        return started_with
    from dotenv import dotenv_values  # noqa: PLC0415 - slow, and needed without /proc only

    overridden = dotenv_values(gateway_home / ".env").keys()
    return {name: value for name, value in os.environ.items() if name not in overridden}


def temporary_folder(initial: Mapping[str, str]) -> str | None:
    """Return the folder for the temporary folders of workers; None means Python's default.

    It is the first of :func:`temporary_folders`.
    """
    return next(iter(temporary_folders(initial)), None)


def temporary_folders(initial: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folders that may take the temporary folders of workers, the preferred one first.

    They are chosen by ``initial``, the environment that the gateway process was started with. The
    current TMPDIR is not used, as it may come from the default profile's ``.env``.
    """
    named = (initial.get(name, "") for name in ("TMPDIR", "TEMP", "TMP"))
    found = (folder for folder in (*named, *_TEMPORARY) if os.access(folder, os.W_OK | os.X_OK))
    return tuple(dict.fromkeys(found))


def _proc_environment() -> dict[str, str]:
    try:
        block = (proc.own() / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in block.split(b"\0"))
    return {name: value for name, separator, value in pairs if separator}


def _python_user_base() -> dict[str, str]:
    """Return the variable that keeps ``pip install --user`` packages importable in a worker."""
    base = site.getuserbase() if site.ENABLE_USER_SITE else ""
    if base and any(path.startswith(base + os.sep) for path in sys.path):
        return {"PYTHONUSERBASE": base}
    return {}
