"""A worker's TMPDIR where the preferred temporary folder can be entered, but takes no folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.base.errors import WorkerStartError
from hermes_router.config.settings import Settings
from hermes_router.profiles import model
from hermes_router.profiles.model import Profile
from hermes_router.turns.notices import notice
from hermes_router.workers import pool
from hermes_router.workers.launchers import Child, LaunchSpec
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, start_worker
from tests.kit.outside.mounts import mounted


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system that has no inode left."""
    folder = tmp_path / "full"
    folder.mkdir()
    with mounted(folder, ("-t", "tmpfs", "-o", "size=1m,nr_inodes=1", "full")):
        assert os.access(folder, os.W_OK | os.X_OK)
        yield folder


def order_in(folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> WorkerOrder:
    """Return the order of a worker that is made no process: its launch says where its TMPDIR is."""

    async def launch(spec: LaunchSpec) -> Child:
        raise OSError(spec.environment["TMPDIR"])

    monkeypatch.setattr(pool, "launcher", lambda _name: launch)
    return WorkerPool({**os.environ, "TMPDIR": str(folder)}, budget=0).order(profile, Settings())


def opened(path: Path) -> int:
    """Return how many descriptors of this process are the file at ``path``."""
    return sum(os.path.realpath(f"/dev/fd/{number}") == str(path) for number in range(256))


async def test_a_worker_gets_its_private_folder_from_the_next_one(
    profile: Profile, full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr(model, "_TEMPORARY", (str(other),))
    with pytest.raises(WorkerStartError, match=f"no process could be started: {other}/"):
        await start_worker(order_in(full, profile, monkeypatch))


async def test_where_none_takes_it_the_start_fails_with_the_reason_and_keeps_nothing_open(
    profile: Profile, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_TEMPORARY", ())
    order = order_in(full, profile, monkeypatch)
    with pytest.raises(WorkerStartError, match="no temporary folder could be made: No sp") as found:
        await start_worker(order)
    assert str(found.value).startswith(f"{full}: ")
    assert str(full) not in notice(found.value, "1f0c2a9b")
    assert order.log.path.exists()
    assert opened(order.log.path) == 0
