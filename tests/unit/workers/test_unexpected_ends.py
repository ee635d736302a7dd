"""Processes that fail by themselves are counted, and those that are told to end are not."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

import anyio
import pytest

from hermes_router.config.settings import Settings
from hermes_router.profiles.model import Profile
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.template import Template, templates_work_here
from tests.kit.workers.made_up import ANSWER, HOST, QUICK, Scene, Use, serve

GOOD = ANSWER + "say(msg.Idle()); say(msg.Draining())"
HELD = ANSWER + "time.sleep(600)"


@pytest.fixture
def scene(profile: Profile) -> Scene:
    return Scene(profile)


def count() -> int:
    return HOST.workers.unexpected_ends.of("career")


@pytest.mark.parametrize(
    ("script", "counted"),
    [
        pytest.param(GOOD, 0, id="a good turn"),
        pytest.param("raise SystemExit(3)", 1, id="never ready"),
        pytest.param(ANSWER + "os.kill(os.getpid(), signal.SIGKILL)", 1, id="killed in a turn"),
        pytest.param(GOOD + "; raise SystemExit(3)", 1, id="failed after the answer"),
    ],
)
async def test_a_worker_that_fails_is_counted_once(
    scene: Scene, worker: Use, script: str, counted: int
) -> None:
    before = count()
    worker(script)
    await serve(scene)
    assert count() == before + counted


async def test_a_worker_that_the_gateway_ends_is_not_counted(scene: Scene, worker: Use) -> None:
    before = count()
    worker(HELD)
    with anyio.fail_after(60):
        turn = await Dispatcher(HOST).serve(scene, InboundMessage({"text": "hi"}, {}), QUICK)
        await turn.kill()
    assert turn.ended.is_set()
    assert count() == before


class Dead:
    """A prepared process that has ended by itself."""

    pid, prepared, ended = os.getpid(), False, True

    def __init__(self) -> None:
        self.cleaned_up = anyio.Event()

    async def retire(self) -> None:
        self.cleaned_up.set()

    async def end(self) -> None:
        self.cleaned_up.set()


@pytest.mark.skipif(not templates_work_here(), reason="templates need Linux")
async def test_a_template_that_ended_by_itself_is_counted_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = WorkerPool(dict(os.environ), budget=1)
    template = Dead()
    warm = workers._note_use(workers.order(scene.profile, Settings()), Settings().warm)
    assert warm is not None
    warm.template = cast("Template", template)

    async def refuse(*_args: Any, **_more: Any) -> Template:
        raise AssertionError("no template is wanted here")

    monkeypatch.setattr(Template, "start", refuse)
    warm.clear()
    warm.clear()
    await workers.close()
    assert template.cleaned_up.is_set()
    assert workers.unexpected_ends.of("career") == 1


@pytest.mark.skipif(not templates_work_here(), reason="templates need Linux")
async def test_a_ready_worker_that_died_is_counted_and_cleaned_up(
    scene: Scene, worker: Use
) -> None:
    worker("hello(); time.sleep(600)")
    workers = WorkerPool(dict(os.environ), budget=1)
    order = workers.order(scene.profile, QUICK)
    warm = workers._note_use(order, QUICK.warm)
    assert warm is not None
    ready = await workers._started_cold(order, None)
    warm.ready = [ready]
    os.kill(ready.pid, signal.SIGKILL)
    with anyio.fail_after(60):
        while not ready.ended:  # noqa: ASYNC110 - a kill has no event
            await anyio.sleep(0.01)
        warm.drop_ended()
        assert warm.ready == []
        await workers.close()
    assert workers.unexpected_ends.of("career") == 1
    assert not ready._tmpdir.exists()
