"""Waiting for a person takes no slot, and who must wait for a slot is told once, and may stop."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage, start_cold
from tests.gateway.operate.test_commands import command
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.model.directives import tool

OTHER = 7
"""A second topic of career's, which may run one turn at once."""
COMMANDS = {"/profile": "career", "/reload-skills": "kills", "/own": "own-command-ran"}
ASK = tool("terminal", command="rm -r precious")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    routes = {str(CAREER): "career", str(OTHER): "career"}
    narrow = {"limits": {"concurrent_turns": 1, "queue": 4}}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"profiles": {"career": narrow}},
        }
    )
    own = {"own": {"type": "exec", "command": "echo own-command-ran"}}
    at_once = {"destructive_slash_confirm": False}  # /new does not ask first
    stage.root.profiles["career"].configure({"quick_commands": own, "approvals": at_once})
    telegram.add_topic(OTHER, "another of career's")
    return stage


@contextmanager
def busy(stage: Stage) -> Iterator[int]:
    """Let a turn of career's run for the block; yields where the chats stood before it."""
    stage.wait_answered(10.0)
    seq, asked, hold = stage.telegram.seq, stage.model.seq, threading.Event()
    stage.model.script(Reply("slept", hold=hold), contains="sleep on", times=1)
    stage.telegram.say("sleep on", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("sleep on", after=asked, timeout=150)
    try:
        yield seq
    finally:
        hold.set()


@contextmanager
def held(stage: Stage) -> Iterator[int]:
    """Let a message of career's other topic wait as long as the block."""
    with busy(stage) as seq:
        stage.telegram.say("in line", chat_id=FORUM, thread_id=OTHER)
        stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq, timeout=150)
        yield stage.telegram.seq


def test_a_turn_that_waits_for_a_person_leaves_its_place(stage: Stage) -> None:
    prompt = stage.prompted(ASK, CAREER)
    seq = stage.telegram.seq
    stage.telegram.say("and I?", chat_id=FORUM, thread_id=OTHER)
    stage.telegram.wait_reply(FORUM, OTHER, contains="and I?", after=seq, timeout=150)
    stage.telegram.click(prompt, "Deny")
    stage.telegram.wait_reply(FORUM, CAREER, contains="tool said", after=seq, timeout=150)


def career_of(stage: Stage) -> dict[str, Any]:
    """Return what `hermes-router status` says of career now."""
    found: list[dict[str, Any]] = json.loads(command(stage, "status", "--json").stdout)["profiles"]
    [career] = [profile for profile in found if profile["name"] == "career"]
    return career


def test_the_status_says_which_turn_waits_for_a_person(stage: Stage) -> None:
    prompt = stage.prompted(ASK, CAREER)
    [asks] = [worker for worker in career_of(stage)["workers"] if worker["waits_for_person"]]
    assert (asks["role"], asks["place"]) == ("busy", f"telegram:{FORUM}:{CAREER}")
    shown = command(stage, "status").stdout
    assert re.search(rf"^career .* {asks['turn']} .* asks a person ", shown, re.MULTILINE), shown
    assert re.search(r"^career +2 +0/1 ", shown, re.MULTILINE), shown
    seq = stage.telegram.seq
    stage.telegram.click(prompt, "Deny")
    stage.telegram.wait_reply(FORUM, CAREER, contains="tool said", after=seq, timeout=150)
    assert not any(worker["waits_for_person"] for worker in career_of(stage)["workers"])


def test_the_status_says_where_a_message_waits_for_a_turn(stage: Stage) -> None:
    with held(stage) as seq:
        career = career_of(stage)
        [waiting] = career["waiting_places"]
        assert waiting["place"] == f"telegram:{FORUM}:{OTHER}"
        assert [waiting["seconds"]] == career["waiting"]
    stage.telegram.wait_reply(FORUM, OTHER, contains="in line", after=seq, timeout=150)
    assert career_of(stage)["waiting_places"] == []


def test_a_command_without_a_model_waits_for_nobody(stage: Stage) -> None:
    with busy(stage) as seq:
        stage.telegram.say("/profile", chat_id=FORUM, thread_id=OTHER)
        answer = stage.telegram.wait_reply(
            FORUM, OTHER, contains="career", after=seq, timeout=ANSWER_SECONDS
        )
    slept = stage.telegram.wait_reply(
        FORUM, CAREER, contains="slept", after=seq, timeout=ANSWER_SECONDS
    )
    assert answer.seq < slept.seq


def test_a_message_that_waits_is_told_once_and_can_be_stopped(stage: Stage) -> None:
    with busy(stage) as seq:
        asked = stage.model.seq
        stage.telegram.say("too late", chat_id=FORUM, thread_id=OTHER)
        told = stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq)
        assert told.text.startswith("⏳ 1 message is ahead of yours.")
        stage.telegram.say("/stop", chat_id=FORUM, thread_id=OTHER)
        stopped = stage.telegram.wait_reply(FORUM, OTHER, contains="Stopped", after=seq)
    slept = stage.telegram.wait_reply(FORUM, CAREER, contains="slept", after=seq, timeout=150)
    assert stopped.seq < slept.seq
    stage.ask("what now?", OTHER, contains="what now?")
    requests = [request for request in stage.model.requests(after=asked) if request.kind == "chat"]
    assert all("too late" not in request.last_user for request in requests)


def test_a_message_that_waits_is_answered_in_its_turn(stage: Stage) -> None:
    with busy(stage) as seq:
        stage.telegram.say("in my turn", chat_id=FORUM, thread_id=OTHER)
        stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq, timeout=150)
    stage.telegram.wait_reply(FORUM, OTHER, contains="in my turn", after=seq, timeout=150)
    shown = [
        m for m in stage.telegram.transcript(FORUM, OTHER) if m.seq > seq and "ahead" in m.text
    ]
    assert len(shown) == 1


def test_a_command_without_a_model_waits_for_no_message_of_its_own_topic(stage: Stage) -> None:
    with held(stage) as seq:
        for words, answer in COMMANDS.items():
            stage.telegram.say(words, chat_id=FORUM, thread_id=OTHER)
            stage.telegram.wait_reply(
                FORUM, OTHER, contains=answer, after=seq, timeout=ANSWER_SECONDS
            )
    stage.telegram.wait_reply(FORUM, OTHER, contains="in line", after=seq, timeout=150)


def test_a_new_session_takes_back_what_waits(stage: Stage) -> None:
    asked = stage.model.seq
    with held(stage) as seq:
        stage.telegram.say("also in line", chat_id=FORUM, thread_id=OTHER)
        told = stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq, timeout=150)
        assert told.text.startswith("⏳ 2 messages are ahead of yours.")
        stage.telegram.say("/new", chat_id=FORUM, thread_id=OTHER)
        stage.telegram.wait_reply(FORUM, OTHER, contains="Stopped", after=seq, timeout=150)
        begun = stage.telegram.wait_reply(
            FORUM,
            OTHER,
            after=told.seq,
            timeout=ANSWER_SECONDS,
            where=lambda message: "Stopped" not in message.text,
        )
        assert "ession" in begun.text
    stage.ask("what now?", OTHER, contains="what now?")
    assert all("in line" not in one.last_user for one in stage.model.requests("chat", after=asked))
