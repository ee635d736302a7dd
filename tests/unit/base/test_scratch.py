"""Temporary folders go with the gateway that made them, or when the next one starts."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermes_router.base import scratch

_MAKES = """
import sys
from hermes_router.base import scratch
folder = scratch.make(sys.argv[1], "worker-")
(folder / "secret").write_text("secret")
print(folder, flush=True)
sys.stdin.read()
"""


def start(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _MAKES, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    alive, kept = start(tmp_path)
    killed.kill()
    killed.wait(60)
    mine = scratch.make(str(tmp_path))
    (tmp_path / "hermes-router-of-somebody").mkdir()
    assert (left / "secret").exists()
    try:
        assert scratch.remove_left_behind(str(tmp_path)) == 1
        assert not left.exists()
        assert (kept / "secret").exists()
        assert mine.is_dir()
        assert (tmp_path / "hermes-router-of-somebody").is_dir()
        assert scratch.remove_left_behind(str(tmp_path)) == 0
    finally:
        alive.kill()
        alive.wait(60)
    assert scratch.remove_left_behind(str(tmp_path)) == 1
    assert len(list(tmp_path.glob(".hermes-router-*.lock"))) == 1


def test_an_orderly_end_leaves_nothing_and_no_end_hides_what_is_left(tmp_path: Path) -> None:
    for remove in (True, False):
        process, folder = start(tmp_path)
        if remove:
            shutil.rmtree(folder)
        process.communicate("", timeout=10)
        assert bool(list(tmp_path.iterdir())) is not remove
    assert scratch.remove_left_behind(str(tmp_path)) == 1
    assert not list(tmp_path.iterdir())


def test_no_link_is_followed(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    killed.kill()
    killed.wait(60)
    elsewhere = tmp_path / "elsewhere"
    left.rename(elsewhere)
    left.symlink_to(elsewhere)
    scratch.remove_left_behind(str(tmp_path))
    assert (elsewhere / "secret").exists()


def test_a_folder_can_be_entered_by_its_owner_only(tmp_path: Path) -> None:
    folder = scratch.make(str(tmp_path))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(folder.name) < 32


def test_after_a_full_disk_the_folders_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose key has no file is not found by a later gateway."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        first = scratch.make(str(tmp_path))
    assert list(tmp_path.glob(".hermes-router-*.lock")) == []
    second, third = scratch.make(str(tmp_path)), scratch.make(str(tmp_path))
    [lock] = tmp_path.glob(".hermes-router-*.lock")
    key = lock.name.removeprefix(".").removesuffix(".lock")
    named = [folder.name.startswith(f"{key}-") for folder in (first, second, third)]
    assert named == [False, True, True]
