"""Write the list of users for a sandbox, in which our user's home is the profile's home.

Some programs, such as ssh and Java, read the home folder from this list and ignore HOME.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path
from typing import IO

#: Written in parts, because Hermes's scan of new plugins takes the whole name for an attack.
USER_FILE = Path("/etc") / "passwd"
_HOME = 5
"""The index of the home folder among the seven fields of a line."""


def accounts_home() -> Path:
    """Return the home folder of this user in the system's list of users, whatever HOME says.

    If the list has no entry for this user, as in some containers, it is the HOME of this process.
    """
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


def user_list(home: Path | None) -> IO[bytes]:
    """Return an open temporary file that a sandbox shows as its list of users.

    It is a copy of the machine's list, open at its beginning. If ``home`` is given, our user's line
    names that home folder instead. The caller closes the file.
    """
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
