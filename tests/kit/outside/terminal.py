"""Run a command on a terminal of its own, and type for it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class OnTerminal:
    """How a command on a terminal ended, and all that the terminal showed."""

    status: int
    shown: str


def on_terminal(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    folder: Path,
    *,
    typed: str = "",
    timeout: float = 300.0,
) -> OnTerminal:
    """Run a command on a terminal; ``typed`` lies ready for whatever it asks.

    Raises subprocess.TimeoutExpired when the command is not through after ``timeout`` seconds; the
    command is killed then.
    """
    ours, theirs = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, shown))
    try:
        os.write(ours, typed.encode())
        reader.start()
        done = subprocess.run(
            command, env={**environ, "TERM": "xterm", "COLUMNS": "120"}, cwd=folder,
            stdin=theirs, stdout=theirs, stderr=theirs, timeout=timeout, check=False,
        )  # fmt: skip
    finally:
        os.close(theirs)
        reader.join(60)
        os.close(ours)
    text = b"".join(shown).decode(errors="replace")
    return OnTerminal(done.returncode, _CONTROL.sub("", text))


def _drain(terminal: int, shown: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 65536):
            shown.append(data)
    except OSError:  # the last program on this terminal has closed it
        return
