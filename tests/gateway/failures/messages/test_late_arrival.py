"""A message that Hermes takes for one of a turn that ends meanwhile is answered all the same."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.state.belongings import plant
from tests.kit.waiting import wait_until

LATE_PLUGIN = """
import asyncio, os
from pathlib import Path

def register(ctx):
    from gateway.run import GatewayRunner
    asked = GatewayRunner._session_has_compression_in_flight

    async def slow(self, session_key):
        Path(os.environ["HERMES_HOME"], "deciding").touch()
        adapter = next(iter(self.adapters.values()))
        for _ in range(600):
            if not adapter._active_sessions:
                break
            await asyncio.sleep(0.05)
        return await asked(self, session_key)

    GatewayRunner._session_has_compression_in_flight = slow
"""
"""Makes the moment long in which Hermes has seen a busy session and not yet queued a message."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    career = stage.root.profiles["career"]
    plant(career.path / "plugins" / "late" / "plugin.yaml", "name: late\nversion: 1.0.0\n")
    plant(career.path / "plugins" / "late" / "__init__.py", LATE_PLUGIN)
    career.configure({"plugins": {"enabled": ["late"]}})
    return stage


def test_a_message_that_is_queued_when_the_turn_has_ended_is_begun(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("first is done", hold=hold), contains="the first", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("the first", thread_id=CAREER)
    stage.model.wait_chat("the first", timeout=ANSWER_SECONDS)
    stage.telegram.say("the second", thread_id=CAREER)
    deciding = stage.root.profiles["career"].path / "deciding"
    wait_until(deciding.exists, 120, "Hermes did not take the session for busy")
    hold.set()
    for contains in ("first is done", "echo: the second"):
        stage.telegram.wait_reply(
            FORUM, CAREER, contains=contains, after=seq, timeout=ANSWER_SECONDS
        )
    stage.wait_settled("career")
