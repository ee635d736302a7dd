"""Hermes's checkpoints of a folder go on after a worker that was killed while it made one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tools import checkpoint_manager

from hermes_router_worker.hermes.upkeep import chores


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(checkpoint_manager, "CHECKPOINT_BASE", tmp_path / "home" / "checkpoints")
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def taken(folder: Path, content: str) -> bool:
    """Change the folder; return whether Hermes takes a checkpoint of it."""
    (folder / "notes.txt").write_text(content)
    manager = checkpoint_manager.CheckpointManager(enabled=True)
    return bool(manager.ensure_checkpoint(str(folder), "a test"))


def locks(home: Path, *, age: float) -> list[Path]:
    """Leave the locks that a killed git leaves: of the index and of the ref of a folder."""
    store = home / "checkpoints" / "store"
    refs = (path for path in (store / "refs").rglob("*") if path.is_file())
    left = [*(store / "indexes").iterdir(), *refs]
    for path in left:
        lock = path.with_name(f"{path.name}.lock")
        lock.touch()
        os.utime(lock, (time.time() - age,) * 2)
    return left


def test_a_folder_that_a_killed_git_has_locked_is_freed(home: Path, folder: Path) -> None:
    assert taken(folder, "one")
    left = locks(home, age=chores.LOCKED_SECONDS + 9)
    assert len(left) == 2
    assert not taken(folder, "two")
    assert chores.free_checkpoints() == 2
    assert taken(folder, "two")


def test_a_lock_of_a_git_that_runs_is_left(home: Path, folder: Path) -> None:
    assert taken(folder, "one")
    locks(home, age=chores.LOCKED_SECONDS - 9)
    assert chores.free_checkpoints() == 0


def test_a_home_without_checkpoints_has_nothing_to_free() -> None:
    assert chores.free_checkpoints() == 0
