"""The list of users in a sandbox: its user's home is the profile's.

Programs that do not ask HOME ask this list: ssh, Java, and others.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path
from typing import IO

#: In parts, because Hermes's scan of new plugins takes its whole name for an attack.
USER_FILE = Path("/etc") / "passwd"
_HOME = 5
"""Which of a line's seven fields names the home."""


def accounts_home() -> Path:
    """Return the home of this account as the list names it: HOME may be another one."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


def user_list(home: Path | None) -> IO[bytes]:
    """Return a file, to be read from its beginning, with the list; with ``home`` in our line."""
    lines = USER_FILE.read_text("utf-8", "surrogateescape").splitlines()
    if home is not None:
        lines = [_with_home(line, home) for line in lines]
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller hands its descriptor on
    file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    file.seek(0)
    return file


def _with_home(line: str, home: Path) -> str:
    fields = line.split(":")
    if len(fields) <= _HOME + 1 or fields[2] != str(os.getuid()):
        return line
    return ":".join([*fields[:_HOME], str(home), *fields[_HOME + 1 :]])
