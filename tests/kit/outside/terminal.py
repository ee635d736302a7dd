"""Run a command on a terminal of its own, and type for it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UP, DOWN, ENTER = "\x1b[A", "\x1b[B", "\r"

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


def pressed(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    folder: Path,
    keys: Sequence[tuple[str, str]],
    *,
    timeout: float = 100.0,
) -> str:
    """Run a command on a terminal and press keys there; return all that the terminal showed.

    ``keys`` are pairs: the words that are waited for, at most ``timeout`` seconds, and what is
    pressed when they are shown.

    Raises:
        TimeoutError: the words were not shown, or the command did not end.
    """
    ours, theirs = pty.openpty()
    more = {"TERM": "xterm", "COLUMNS": "120", "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = subprocess.Popen(
        command, env={**environ, **more}, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = ""
    try:
        for words, press in keys:
            shown += _read_until(ours, words, timeout)
            os.write(ours, press.encode())
        shown += _read_until(ours, None, timeout)
        process.wait(timeout)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return _CONTROL.sub("", shown)


def _read_until(terminal: int, words: str | None, timeout: float) -> str:
    """Read until the words are shown; with None, until the command has closed its terminal."""
    deadline, shown = time.monotonic() + timeout, b""
    while words is None or words.encode() not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"{words!r} is not in {shown!r}")
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    return shown.decode(errors="replace")


def _drain(terminal: int, shown: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 65536):
            shown.append(data)
    except OSError:  # the last program on this terminal has closed it
        return
