"""What killed gateways left half written in their folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hermes_router.state.state_file import remove_unfinished


def test_only_old_files_under_a_temporary_name_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".settled.json-a1b2c3d4", tmp_path / ".settled.json-d4c3b2a1"
    whole = tmp_path / "settled.json"
    for path in (old, young, whole):
        path.touch()
    for path in (old, whole):
        os.utime(path, times=(time.time() - 7200,) * 2)
    assert remove_unfinished(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted([young, whole])
    assert remove_unfinished(tmp_path / "nowhere") == 0
