"""Notes of background work: how old one is, of which a later gateway may tell."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import pytest

from hermes_router.state import open_works
from hermes_router.state.open_works import OpenWorks

OLD = 1_000_000.0


def make_old(folder: Path) -> None:
    for path in folder.glob("*.json"):
        os.utime(path, times=(OLD, OLD))


async def test_a_gateway_that_lives_keeps_its_own_notes_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work may go on for days; what counts is when its gateway ended."""
    monkeypatch.setattr(open_works, "_RENEWED_SECONDS", 0.01)
    OpenWorks(tmp_path).note("earlier", {}, ["a build"])
    works = OpenWorks(tmp_path)
    works.note("own", {}, ["a server"])
    works.note("ended", {}, ["a build"])
    works.note("ended", {}, [])
    make_old(tmp_path)
    begun = time.time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.renew)
        with anyio.fail_after(20):
            while all(work.at == OLD for work in works.left()):  # noqa: ASYNC110 - files have no event
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    ages = {work.turn: work.at for work in works.left()}
    assert ages["earlier"] == OLD
    assert ages["own"] >= begun - 1
    assert set(ages) == {"earlier", "own"}
