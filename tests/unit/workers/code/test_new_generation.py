"""What is prepared when Hermes's package manager selects another generation of dependencies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hermes_router.config.settings import Settings
from hermes_router.profiles.model import Profile
from hermes_router.workers.code import own_code
from hermes_router.workers.code.own_code import HermesLauncher
from hermes_router.workers.code.running_code import RunningCode
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.template import Template, templates_work_here

pytestmark = pytest.mark.skipif(not templates_work_here(), reason="templates need Linux")

FIRST, SECOND = Path("first/venv"), Path("second/venv")


@pytest.fixture
def selection(tmp_path: Path) -> Iterator[list[Path | None]]:
    """The selected environment; the gateway runs the first."""
    selected: list[Path | None] = [FIRST]
    launcher = HermesLauncher(("hermes",), environment=FIRST, selected=lambda: selected[0])
    code = RunningCode(tmp_path / "code", lambda _: launcher)
    own_code.use(code)
    yield selected
    own_code.use(None)
    code.remove()


async def test_what_was_prepared_of_the_old_one_is_used_no_more(
    selection: list[Path | None], profile: Profile
) -> None:
    workers = WorkerPool(dict(os.environ), budget=1)
    warm = workers._note_use(workers.order(profile, Settings()), Settings().warm)
    assert warm is not None
    living = SimpleNamespace(ended=False)
    warm.template, warm.born = cast("Template", living), time.monotonic()
    warm.stamp = await warm.newest_stamp()
    assert not await warm.stale()
    selection[0] = SECOND
    assert await warm.stale()
    warm.template = None
    await workers.close()


def test_people_are_told_that_the_gateway_runs_the_old_one(selection: list[Path | None]) -> None:
    code = own_code.in_use()
    assert code is not None
    assert code.on_disk() == []
    selection[0] = None
    assert code.on_disk() == [], "an unknown selection is no news"
    selection[0] = SECOND
    (line,) = code.on_disk()
    assert line.startswith("Hermes has another environment of dependencies and plugins, maybe")
