"""What a profile puts where the gateway reads a file costs the gateway nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hermes_router.profiles.small_file import read_small

_NO_FILES: list[Callable[[Path], object]] = [
    Path.mkdir,
    os.mkfifo,
    lambda path: path.symlink_to("/dev/null"),
    lambda path: path.write_bytes(b"x" * 11),
]


@pytest.mark.parametrize("put", _NO_FILES)
def test_what_is_no_small_file_is_refused_and_leaves_no_descriptor_open(
    tmp_path: Path, put: Callable[[Path], object]
) -> None:
    put(tmp_path / "note.json")
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(OSError, match=r"note\.json"):
            read_small(tmp_path / "note.json", 10)
    assert psutil.Process().num_fds() == before


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "note.json").write_bytes(b"0123456789")
    assert read_small(tmp_path / "note.json", 10) == b"0123456789"
