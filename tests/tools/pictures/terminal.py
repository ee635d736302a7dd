"""What a command writes to a terminal, line by line, with the time of each line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_ROWS = 60


class Line(NamedTuple):
    """One line with its colours, and the seconds from the command's start to the line's end."""

    seconds: float
    text: str


def record(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    columns: int,
    statuses: Collection[int] = (0,),
) -> list[Line]:
    """Run a command on a terminal of so many columns and return what it wrote there.

    Raises:
        subprocess.CalledProcessError: it ended with another status than ``statuses``.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    begun = time.monotonic()
    with subprocess.Popen(
        command,
        env={**environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "PAGER": "cat"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        lines = _read(ours, begun)
    os.close(ours)
    if process.returncode not in statuses:
        output = "\n".join(line.text for line in lines)
        raise subprocess.CalledProcessError(process.returncode, list(command), output)
    return lines


def _read(terminal: int, begun: float) -> list[Line]:
    """Read until every process has closed the terminal, which Linux reports as an error."""
    lines: list[Line] = []
    rest = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        seconds = time.monotonic() - begun
        lines += [Line(seconds, part.decode().rstrip("\r")) for part in whole]
    return lines + ([Line(lines[-1].seconds if lines else 0.0, rest.decode())] if rest else [])
