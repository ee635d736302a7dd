"""Running a test's processes as an ordinary user, also where the tests run as root.

Root reads every file and every process, so that nothing about isolation can be seen. Root's own
files (a Python under /root, pytest's folders) are closed to others: a mount namespace of the
process's own shows the few folders that it needs, and changes nothing for anybody else.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ORDINARY_UID = 61_000 + os.getpid() % 1000 if os.geteuid() == 0 else os.geteuid()
"""The user's id; no other user of the machine has it, so that limits count its processes alone."""

_SCRIPT = """set -e
mount -t tmpfs -o mode=755 hermes-router-kit /mnt
for closed in $CLOSED; do
    mkdir -p "/mnt$closed"
    mount --rbind "$closed" "/mnt$closed"
done
for closed in $CLOSED; do mount -t tmpfs -o mode=755 hermes-router-kit "$closed"; done
for needed in $NEEDED; do
    mkdir -p "$needed"
    mount --rbind "/mnt$needed" "$needed"
done
umount -l /mnt
if [ -n "$USERS" ]; then mount --bind "$USERS" "$ACCOUNTS"; fi
exec setpriv --reuid "$ORDINARY" --regid "$ORDINARY" --clear-groups --inh-caps=-all "$@"
"""


_ACCOUNTS = Path("/etc") / "passwd"
_NAMES = ("CLOSED", "NEEDED", "USERS", "ACCOUNTS", "ORDINARY")


def as_ordinary_user(command: list[str], *folders: Path) -> list[str]:
    """Return the command line that runs ``command`` as an ordinary user who owns ``folders``.

    If the first folder has a folder ``home`` in it, that is the user's in the list of users.
    """
    if os.geteuid() != 0:
        return command
    for folder in folders:
        _give(folder)
    needed = {ROOT, Path(sys.prefix), Path(sys.base_prefix), *folders}
    closed = {top for path in needed if (top := _closed_above(path)) is not None}
    inside = [path for path in needed if _closed_above(path) is not None]
    return [
        *("env", f"CLOSED={_words(closed)}", f"NEEDED={_words(inside)}"),
        *(
            f"USERS={_users(*folders)}",
            f"ACCOUNTS={_ACCOUNTS}",
            f"ORDINARY={ORDINARY_UID}",
            "unshare",
            "--mount",
            "sh",
            "-c",
            _SCRIPT,
            "sh",
        ),
        *("env", *(word for name in _NAMES for word in ("-u", name)), *command),
    ]


def _users(*folders: Path) -> str:
    """Return a list of users that has the ordinary user in it; empty where it has no home."""
    home = folders[0] / "home" if folders else None
    if home is None or not home.is_dir():
        return ""
    path = folders[0] / "users"
    line = f"ordinary:x:{ORDINARY_UID}:{ORDINARY_UID}::{home}:/bin/sh\n"
    path.write_text(_ACCOUNTS.read_text("utf-8").rstrip("\n") + "\n" + line, "utf-8")
    path.chmod(0o644)
    return str(path)


@functools.cache
def obstacle() -> str | None:
    """Return why nothing can be run as an ordinary user here; None if it can."""
    missing = [name for name in ("unshare", "setpriv") if shutil.which(name) is None]
    if os.geteuid() == 0 and missing:
        return f"running as root without {', '.join(missing)}"
    done = subprocess.run(
        as_ordinary_user([sys.executable, "-c", "import hermes_router"]),
        capture_output=True,
        check=False,
        timeout=200,
    )
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()


def _words(paths: Iterable[Path]) -> str:
    return " ".join(str(path) for path in sorted(paths))


def _closed_above(path: Path) -> Path | None:
    """Return the uppermost folder above ``path`` that others may not pass."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)


def _give(folder: Path) -> None:
    """Make the user the owner of a folder and all in it that stays and is not the user's."""
    for above, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            path = Path(above, name)
            with suppress(FileNotFoundError):  # workers of a gateway before may remove theirs
                if path.lstat().st_uid != ORDINARY_UID:  # a disk may be read only
                    os.chown(path, ORDINARY_UID, ORDINARY_UID, follow_symlinks=False)
