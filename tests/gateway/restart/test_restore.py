"""What arrives while a gateway starts and restores its sessions is held, and lost by nobody."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    MISSING,
    MULTIPLEXING,
    SYSTEMS,
    UNROUTED,
    Stage,
    build_stage,
)
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway

#: Hermes connects its platforms, runs this hook, and only then restores its sessions.
HOOK = """
import asyncio
from pathlib import Path

async def handle(event_type, context):
    while not (Path(__file__).parent / "go-on").exists():
        await asyncio.sleep(0.05)
"""

HELD = (
    ("are you back?", CAREER, "echo: "),
    ("you too?", SYSTEMS, "echo: you too?"),
    ("and you?", MISSING, "does not exist"),
    ("and the others?", UNROUTED, "echo: and the others?"),
    ("really?", CAREER, "really?"),
)


@pytest.mark.parametrize("multiplexing", MULTIPLEXING)
def test_messages_that_arrive_during_the_restore_are_held_and_answered(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    multiplexing: bool,
) -> None:
    stage: Stage = build_stage(tmp_path_factory.mktemp("restore"), telegram, model)
    stage.root.configure({"gateway": {"multiplex_profiles": multiplexing}})
    go_on, seen, seq = slow_start(stage), model.seq, telegram.seq
    with Gateway(stage.root):
        for number, (text, topic, _answer) in enumerate(HELD, 1):
            telegram.say(text, thread_id=topic)
            wait_held(stage, number)
        telegram.say("let me in", thread_id=CAREER, user_id=666)
        assert model.requests("chat", after=seen) == []
        for profile in ("career", "systems"):
            assert "hermes-router begin" not in stage.worker_log(profile)
        go_on.touch()
        for _text, topic, answer in HELD[1:]:
            telegram.wait_reply(FORUM, topic, contains=answer, after=seq, timeout=ANSWER_SECONDS)
        stage.wait_settled("career")
    said = [request.body.decode() for request in model.requests("chat", after=seen)]
    for text, topic, _answer in HELD:
        assert any(text in body for body in said) is (topic != MISSING), text


def slow_start(stage: Stage) -> Path:
    """Let the gateway stop in its start; return the file that lets it go on."""
    hook = stage.root.path / "hooks" / "slow"
    hook.mkdir(parents=True)
    (hook / "HOOK.yaml").write_text("name: slow\ndescription: x\nevents: ['gateway:startup']\n")
    (hook / "handler.py").write_text(HOOK)
    return hook / "go-on"


def wait_held(stage: Stage, count: int) -> None:
    """Wait until the gateway holds so many messages."""
    line, deadline = "Queued inbound message during gateway startup restore", time.monotonic() + 100
    while stage.root.log().count(line) < count:
        assert time.monotonic() < deadline, f"message {count} is not held"
        time.sleep(0.02)
