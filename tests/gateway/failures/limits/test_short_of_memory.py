"""A machine that is short of memory: what is prepared goes first, then turns are refused."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, UNROUTED, Stage
from tests.kit import FORUM, Reply
from tests.kit.waiting import wait_until

#: What was prepared is prepared again.
pytestmark = pytest.mark.timeout(240)

#: More than any machine has: with that, each one is short of memory.
TOO_MUCH = 2**50


def leave_free(stage: Stage, amount: int) -> None:
    """Say how much memory is to stay free; the gateway reads it with the next message."""
    stage.root.configure({"hermes_router": {"turn_budget": {"free_bytes": amount}}})


def prepared(stage: Stage) -> list[str]:
    return [p.cmdline for p in stage.gateway.tree() if p.role in {"template", "ready"}]


def test_new_turns_are_refused_and_all_else_goes_on(stage: Stage) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    stage.gateway.wait_process(" ready")
    hold = threading.Event()
    stage.model.script(Reply("I was at work", hold=hold), contains="work on", times=1)
    stage.telegram.say("please work on", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("please work on")
    leave_free(stage, TOO_MUCH)
    told = stage.ask("one more", SYSTEMS, contains="⚠️").text
    assert "short of memory" in told
    wait_until(lambda: not prepared(stage), 120, f"still prepared: {prepared(stage)}")
    seq = stage.telegram.seq
    hold.set()
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="I was at work", after=seq, timeout=ANSWER_SECONDS
    )
    assert "systems" in stage.ask("/profile", SYSTEMS, contains="systems").text
    stage.ask("and you?", UNROUTED, contains="and you?")
    assert not prepared(stage)
    leave_free(stage, 0)
    assert stage.ask("now?", SYSTEMS, contains="now?").text == "echo: now?"
    stage.gateway.wait_process(" ready")
