"""What killed processes left in a profile's home: what is removed, and what is not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hermes_router_worker.home import left_files

#: Names below the router's folder, and their ages in hours; what is older than allowed comes first.
OLD = {
    ".upkeep.json-a1b2c3d4": 2,
    "sessions/.0123.json-a1b2c3d4": 2,
    "debtors/.0123456789abcdef": 2,
    "waiting/0123.json": 73,
}
KEPT = {
    ".upkeep.json-d4c3b2a1": 0,
    "upkeep.json": 999,
    "sessions/0123.json": 999,
    "debtors/7-8.lock": 999,
    "waiting/4567.json": 71,
    "observed/0123.jsonl": 999,
}


def test_only_what_nobody_needs_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_files, "current_home", lambda: tmp_path)
    folder = tmp_path / "hermes-router"
    for name, hours in (OLD | KEPT).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        os.utime(folder / name, times=(time.time() - hours * 3600,) * 2)
    assert left_files.tidy() == len(OLD)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == set(KEPT)


def test_a_home_in_which_nothing_was_kept_has_nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_files, "current_home", lambda: tmp_path)
    assert left_files.tidy() == 0
