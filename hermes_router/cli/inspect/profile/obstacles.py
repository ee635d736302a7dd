"""What keeps this user from writing in a folder, with the command that removes just that."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from hermes_router.profiles.model import is_on_read_only
from hermes_router.protocol.system import proc


class Obstacle(NamedTuple):
    """Something that keeps this user from writing in a folder, and how to remove it.

    ``what`` is a sentence that lacks its subject, the folder; ``mend`` is a command. ``covers`` is
    the folder below which the command removes every such obstacle; None if it removes only this
    one.
    """

    what: str
    mend: str
    covers: Path | None = None

    def is_removed_with(self, other: Obstacle) -> bool:
        """Return True if the command of ``other`` removes this obstacle too."""
        return other.covers is not None and other.covers == self.covers


def of_folder(folder: Path, below: Path) -> Obstacle | None:
    """Return what keeps this user from writing in ``folder``; None if nothing does.

    A folder that is missing is no obstacle. An owner is changed for all that is in ``below``.
    """
    if not folder.is_dir():
        return in_the_way(folder, "the folder") if os.path.lexists(folder) else None
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return of_mount(folder) or _of_owner(folder, below, "u+rwx")


def of_file(file: Path, below: Path) -> Obstacle | None:
    """Return what keeps this user from writing to ``file``; None if nothing does, or none is."""
    if not os.path.lexists(file):
        return None
    if not file.is_file():
        return in_the_way(file, "the file")
    if os.access(file, os.W_OK):
        return None
    return of_mount(file) or _of_owner(file, below, "u+rw")


def in_the_way(path: Path, wanted: str) -> Obstacle:
    """Return an obstacle: something else stands at ``path``, where ``wanted`` belongs.

    ``wanted`` is in words, such as "the folder".
    """
    kind = "a link to nothing" if path.is_symlink() else "a file" if path.is_file() else ""
    kind = kind or ("a folder" if path.is_dir() else "something else")
    aside = path.with_name(f"{path.name}.old")
    number = 2
    while os.path.lexists(aside):
        aside = path.with_name(f"{path.name}.old{number}")
        number += 1
    mend = f"mv {shlex.quote(str(path))} {shlex.quote(str(aside))}"
    return Obstacle(f"cannot be used: {kind} stands where {wanted} belongs", mend)


def of_mount(path: Path) -> Obstacle | None:
    """Return the obstacle that a path is on a file system that is mounted read-only, or None."""
    if not is_on_read_only(path):
        return None
    mounted = _mount_points()
    above = (path.resolve(), *path.resolve().parents)
    top = next((one for one in above if one in mounted or one.is_mount()), above[-1])
    what = "cannot be written: its file system is mounted read-only"
    return Obstacle(what, f"{_as_root()}{_remount()} {shlex.quote(str(top))}", covers=top)


def _remount() -> str:
    return "mount -o remount,rw" if sys.platform == "linux" else "mount -uw"


def _mount_points() -> frozenset[Path]:
    """Return the mount points that Linux lists; a folder that is mounted again is only in there."""
    try:
        lines = (proc.own() / "mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return frozenset()
    names = (line.split(" ")[4] for line in lines if line.count(" ") > 4)
    return frozenset(Path(_unescaped(name)) for name in names)


def _unescaped(name: str) -> str:
    """Return a name from the list of mounts, which writes blanks and the like as octal digits."""
    first, *rest = name.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def _of_owner(path: Path, below: Path, mode: str) -> Obstacle:
    user = os.geteuid()
    if path.stat().st_uid == user:
        what = "cannot be written: its mode does not allow it"
        return Obstacle(what, f"chmod {mode} {shlex.quote(str(path))}")
    what = f"cannot be written: it belongs to {_name(path.stat().st_uid)}"
    mend = f"{_as_root()}chown -R {shlex.quote(_name(user))} {shlex.quote(str(below))}"
    return Obstacle(what, mend, covers=below)


def _as_root() -> str:
    """Return the words before a command that only root may run."""
    return "as root: " if os.geteuid() else ""


def _name(user: int) -> str:
    import pwd  # noqa: PLC0415 - for an error only

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
