from __future__ import annotations

import time
from pathlib import Path

from hermes_router.protocol.files.lock import try_lock


def test_a_file_is_locked_by_one_and_free_when_that_one_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert try_lock(first)
        assert not try_lock(second)
        first.close()
        assert try_lock(second)


def test_a_lock_that_is_held_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert try_lock(first)
        begun = time.monotonic()
        assert not try_lock(second, 0.1)
        assert 0.1 <= time.monotonic() - begun < 5
