"""While an adapter waits for more of a message's text, a ready worker prepares the session."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

from hermes_router.workers.worker_log import TurnRecord, read_turns
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.probes.built_agents import built_agents, note_agents
from tests.kit.waiting import wait_until

#: Seconds for which the adapter waits for more text after one that is as long as Telegram allows.
BATCHING = 1.5
LONG = " and so on" * 400

#: Seconds after which a worker ends that was told of a message which did not come.
PATIENCE = 20.0

STRANGER = 4242

SKIPPING = """
def skip(event=None, **_more):
    return {"action": "skip", "reason": "test"} if "to be skipped" in event.text else None


def register(ctx):
    ctx.register_hook("pre_gateway_dispatch", skip)
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.extra_environ["HERMES_TELEGRAM_TEXT_BATCH_SPLIT_DELAY_SECONDS"] = str(BATCHING)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": "*"})
    stage.root.add_plugin("skipping", SKIPPING)
    stage.root.configure({"plugins": {"enabled": ["hermes-router", "skipping"]}})
    stage.root.configure({"hermes_router": {"profiles": {"systems": {"warm": {"enabled": False}}}}})
    note_agents(stage.root.profiles["career"])
    return stage


@pytest.fixture
def known(stage: Stage) -> Stage:
    """A gateway in which the user has written to career before, and which is at rest."""
    stage.ask("hello", CAREER, contains="hello")
    rest(stage)
    return stage


def rest(stage: Stage) -> None:
    """Wait until nothing of career is there but its template and a ready worker."""
    stage.wait_settled("career")
    wait_until(lambda: roles(stage) == ["ready", "template"], PATIENCE, "it does not come to rest")


def roles(stage: Stage) -> list[str]:
    mine = [p for p in stage.gateway.tree() if f"-p career {p.role} " in f"{p.cmdline} "]
    return sorted(p.role for p in mine if p.role != "supervisor")


def expecting(stage: Stage) -> psutil.Process:
    """Return the worker that was told of the message; the adapter still keeps the message.

    Raises TimeoutError if there is none soon.
    """
    process = stage.gateway.wait_process("-p career busy ", timeout=BATCHING * 0.8)
    return psutil.Process(process.pid)


def last_turn(stage: Stage) -> TurnRecord:
    stage.wait_settled("career")
    return list(read_turns(stage.root.profiles["career"].path / "logs/hermes-router-worker.log"))[
        -1
    ]


def reply(stage: Stage, text: str, after: int) -> str:
    found = stage.telegram.wait_reply(
        FORUM, CAREER, contains=text, after=after, timeout=ANSWER_SECONDS
    )
    return found.text


def test_the_message_is_answered_by_the_worker_that_prepared_for_it(known: Stage) -> None:
    seen, said = known.model.seq, known.telegram.seq
    career = known.root.profiles["career"]
    before = built_agents(career)
    known.telegram.say("which one are you?" + LONG, thread_id=CAREER)
    worker = expecting(known)
    assert known.model.requests("chat", after=seen) == []
    reply(known, "which one are you?", said)
    assert [agent.pid for agent in built_agents(career)[len(before) :]] == [worker.pid]
    assert known.worker_in_turn("career") == worker.pid
    assert last_turn(known).start == "prepared"


def test_the_parts_of_a_long_message_go_to_the_worker_as_one(known: Stage) -> None:
    seen, said = known.model.seq, known.telegram.seq
    known.telegram.say("the first part" + LONG, thread_id=CAREER)
    worker = expecting(known)
    known.telegram.say("and the second", thread_id=CAREER)
    reply(known, "the first part", said)
    asked = known.model.wait_chat("the first part", after=seen).last_user
    assert asked.endswith("and the second")
    assert known.worker_in_turn("career") == worker.pid


def test_an_edit_of_the_profile_meanwhile_is_obeyed(known: Stage) -> None:
    seen, said = known.model.seq, known.telegram.seq
    known.telegram.say("which model?" + LONG, thread_id=CAREER)
    worker = expecting(known)
    known.root.profiles["career"].configure({"model": {"default": "another-model"}})
    reply(known, "which model?", said)
    assert known.model.wait_chat("which model?", after=seen).model == "another-model"
    assert known.worker_in_turn("career") != worker.pid
    wait_until(lambda: not worker.is_running(), PATIENCE, "the worker that knew the old one stays")


def test_a_message_that_does_not_come_costs_a_worker_and_nothing_else(known: Stage) -> None:
    seen, said = known.model.seq, known.telegram.seq
    known.telegram.say("to be skipped" + LONG, thread_id=CAREER)
    worker = expecting(known)
    known.gateway.wait_log("pre_gateway_dispatch skip", log="agent.log")
    wait_until(lambda: not worker.is_running(), PATIENCE, "it still waits for the message")
    rest(known)
    assert known.model.requests(after=seen) == []
    assert last_turn(known).pid != worker.pid
    known.telegram.say("and now?", thread_id=CAREER)
    reply(known, "and now?", said)


def test_a_worker_that_dies_before_the_message_loses_nothing(known: Stage) -> None:
    said = known.telegram.seq
    known.telegram.say("are you there?" + LONG, thread_id=CAREER)
    expecting(known).kill()
    assert reply(known, "are you there?", said).startswith("echo: are you there?")


def test_a_writer_who_is_new_in_the_place_has_no_worker_prepared(known: Stage) -> None:
    said, begun = known.telegram.seq, time.monotonic()
    known.telegram.say("let me in" + LONG, thread_id=CAREER, user_id=STRANGER)
    known.gateway.wait_process("-p career busy ")
    assert time.monotonic() - begun >= BATCHING
    reply(known, "let me in", said)


def test_the_model_is_asked_what_it_is_asked_without(known: Stage) -> None:
    known.gateway.restart()  # who has written where is forgotten: nothing is prepared for the first
    known.gateway.wait_prepared()
    first, second = (question(known, "the same words", expected) for expected in (False, True))
    rest_of_first = {name: value for name, value in first.items() if name != "messages"}
    assert {name: value for name, value in second.items() if name != "messages"} == rest_of_first
    before = len(first["messages"])
    assert second["messages"][: before - 1] == first["messages"][: before - 1]
    assert [message["role"] for message in second["messages"][before - 1 :]] == [
        "user",
        "assistant",
        "user",
    ]


def question(stage: Stage, text: str, expected: bool) -> dict[str, Any]:
    """Ask something, and return what the model was asked for it."""
    rest(stage)
    seen, said = stage.model.seq, stage.telegram.seq
    stage.telegram.say(text + LONG, thread_id=CAREER)
    if expected:
        expecting(stage)
    reply(stage, text, said)
    return dict(stage.model.wait_chat(text, after=seen).json)
