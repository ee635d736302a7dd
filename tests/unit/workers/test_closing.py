"""When the gateway stops, nothing of what was prepared is left: no process, no folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import psutil
import pytest

from hermes_router.config.settings import Settings
from hermes_router.profiles.model import Profile
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.workers import launchers, pool
from hermes_router.workers.launchers import Child, LaunchSpec, local
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, start_worker

SLEEPS = [sys.executable, "-P", "-S", "-c", "import time; time.sleep(60)"]
NO_SANDBOX = launchers.check("bubblewrap")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where temporary folders of workers are made during the test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def order_in(scratch: Path, profile: Profile, settings: Settings) -> WorkerOrder:
    return WorkerPool({**os.environ, "TMPDIR": str(scratch)}, budget=0).order(profile, settings)


def folders(scratch: Path) -> list[Path]:
    """Return what is left there of workers; the lock of this process stays as long as it lives."""
    return [path for path in scratch.iterdir() if not path.name.endswith(".lock")]


def of_a_worker(process: psutil.Process) -> bool:
    try:
        return WORKER_VARIABLE in process.environ()
    except psutil.Error:
        return False


async def test_closing_while_a_template_starts_leaves_nothing(
    profile: Profile, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, before = anyio.Event(), psutil.Process().children(recursive=True)

    async def launch(spec: LaunchSpec) -> Child:
        child = await local.launch(spec)
        begun.set()
        return child

    monkeypatch.setattr(local, "command", lambda _spec: SLEEPS)
    monkeypatch.setattr(pool, "launcher", lambda _name: launch)
    monkeypatch.setattr(pool, "templates_work_here", lambda: True)
    workers = WorkerPool({**os.environ, "TMPDIR": str(scratch)}, budget=1)
    workers.keep_warm(profile, Settings())
    with anyio.fail_after(60):
        await begun.wait()
        assert folders(scratch)
        await workers.close()
    assert not folders(scratch)
    left = [p for p in psutil.Process().children(recursive=True) if p not in before]
    assert not [p for p in left if of_a_worker(p)]


async def test_a_start_that_is_given_up_leaves_no_folder(
    profile: Profile, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_spec: LaunchSpec) -> Child:
        await anyio.sleep_forever()
        raise AssertionError("it was cancelled")

    monkeypatch.setattr(pool, "launcher", lambda _name: never)
    order = order_in(scratch, profile, Settings())
    with anyio.move_on_after(0.2):
        await start_worker(order)
    assert not folders(scratch)


@pytest.mark.skipif(NO_SANDBOX is not None, reason=f"NOT SHOWN: {NO_SANDBOX}")
async def test_closing_the_launchers_ends_a_sandbox_with_all_that_is_in_it(
    profile: Profile, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "command", lambda _spec: SLEEPS)
    order = order_in(scratch, profile, Settings(launcher="bubblewrap"))
    before = psutil.Process().children(recursive=True)
    with anyio.fail_after(60):
        worker = await start_worker(order)
        below = [p for p in psutil.Process().children(recursive=True) if p not in before]
        assert len(below) >= 2, "the sandbox's first process and the worker"
        await launchers.close()
        assert await worker.end() != 0
    assert not [p for p in below if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not folders(scratch)
