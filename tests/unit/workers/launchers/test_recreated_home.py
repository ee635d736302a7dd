"""A profile's home that is moved aside and made anew while a process runs in its sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from hermes_router.config.settings import Settings
from hermes_router.profiles.model import Profile
from hermes_router.workers import launchers
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerProcess, start_worker
from hermes_router.workers.worker_log import FILE_NAME

NO_SANDBOX = launchers.check("bubblewrap")

_SHOWS = """
import os, sys, time
os.write(2, open(sys.argv[1], "rb").read())
time.sleep(60)
"""


@pytest.mark.skipif(NO_SANDBOX is not None, reason=f"NOT SHOWN: {NO_SANDBOX}")
async def test_the_next_worker_sees_the_new_one_and_the_old_worker_keeps_the_old_one(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, aside = profile.home, profile.home.with_name("aside")
    line = [sys.executable, "-P", "-S", "-c", _SHOWS, str(home / "SOUL.md")]
    monkeypatch.setattr(launchers, "command", lambda _spec: line)
    order = WorkerPool(dict(os.environ), budget=0).order(profile, Settings(launcher="bubblewrap"))
    workers: list[WorkerProcess] = []
    with anyio.fail_after(30):
        try:
            (home / "SOUL.md").write_text("old soul\n")
            workers.append(await start_worker(order))
            await printing(home, "old soul")
            home.rename(aside)
            home.mkdir()
            (home / "SOUL.md").write_text("new soul\n")
            workers.append(await start_worker(order))
            await printing(home, "new soul")
            assert "new" not in printed(aside)
            assert "old" not in printed(home)
            assert not workers[0].ended
        finally:
            for worker in workers:
                await worker.end()
            await launchers.close()


async def printing(home: Path, what: str) -> None:
    while what not in printed(home):  # noqa: ASYNC110 - nobody announces it
        await anyio.sleep(0.02)


def printed(home: Path) -> str:
    log = home / "logs" / FILE_NAME
    return log.read_text() if log.exists() else ""
