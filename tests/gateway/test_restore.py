"""What arrives while a restarted gateway resumes its sessions is held, and lost by nobody."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.conftest import CAREER, UNROUTED, Stage, build_stage
from tests.kit import DEFAULT_KEY, FORUM, FakeModel, FakeTelegram, Gateway, Reply


@pytest.mark.parametrize("multiplexing", [False, True])
def test_a_routed_message_waits_for_the_restore(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    multiplexing: bool,
) -> None:
    stage: Stage = build_stage(tmp_path_factory.mktemp("restore"), telegram, model)
    stage.root.configure({"gateway": {"multiplex_profiles": multiplexing}})
    work = f"interrupted work, multiplexing {multiplexing}"
    interrupted, resumed = threading.Event(), threading.Event()
    model.script(Reply("never", hold=interrupted), contains=work, times=1)
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        telegram.say(work, chat_id=FORUM, thread_id=UNROUTED)
        model.wait_chat(work)
        gateway.kill()
        interrupted.set()
        seen, seq = model.seq, telegram.seq
        model.script(Reply("resumed", hold=resumed), api_key=DEFAULT_KEY)
        gateway.start()
        model.wait_for(lambda r: r.api_key == DEFAULT_KEY, after=seen, timeout=60)
        telegram.say("are you back?", chat_id=FORUM, thread_id=CAREER)
        gateway.wait_log("Queued inbound message during gateway startup restore", log="agent.log")
        assert "hermes-router begin" not in stage.worker_log("career")
        resumed.set()
        answer = telegram.wait_reply(FORUM, CAREER, contains="are you back", after=seq, timeout=60)
    model.clear_scripts()
    assert "echo:" in answer.text
