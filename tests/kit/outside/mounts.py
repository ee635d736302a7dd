"""File systems that a test mounts; only root may, and not in every container."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, *options: tuple[str, ...]) -> Iterator[None]:
    """Mount something at a folder while the block runs; skip the test where that is not allowed.

    Each of ``options`` is a call of ``mount``, without the folder at its end.
    """
    commands = [["mount", *words, str(folder)] for words in options]
    if os.geteuid() != 0 or any(
        subprocess.run(command, capture_output=True, check=False).returncode for command in commands
    ):
        pytest.skip("this process may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
