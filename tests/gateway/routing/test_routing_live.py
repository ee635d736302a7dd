"""Routing on the real gateway: edits in force without a restart, policies, senders, carve-outs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hermes_router.workers.worker_log import FILE_NAME
from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, USER, FakeModel, FakeTelegram, Gateway, Reply

SECOND = USER + 1
"""Another user who may use the gateway."""

PLATFORM = "telegram"
TOPICS = {str(CAREER): "career", str(SYSTEMS): "systems"}


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": f"{USER},{SECOND}"})
    return stage


@contextmanager
def edited(stage: Stage, routes: object, router: dict[str, Any] | None = None) -> Iterator[None]:
    """Put routes (and the router's block) into the running gateway's file; back afterwards."""
    file = stage.root.path / "config.yaml"
    before = file.read_text("utf-8")
    stage.root.configure({"gateway": {"profile_routes": None}})
    stage.root.configure({"gateway": {"profile_routes": routes}, "hermes_router": router or {}})
    try:
        yield
    finally:
        file.write_text(before, "utf-8")


def answering(stage: Stage, thread: int | None, **origin: Any) -> str:
    """Return the name of the profile that answers in a place."""
    text = stage.ask("/profile", thread, contains="Profile: ", **origin).text
    return text.partition("Profile: ")[2].split()[0].strip("`*")


def unanswered(stage: Stage, thread: int | None, **origin: Any) -> bool:
    """Say something in a place, then in one that is answered; say whether the first was not."""
    seq = stage.telegram.seq
    chat = origin.get("chat_id", FORUM)
    stage.telegram.say("/profile", thread_id=thread, **origin)
    assert answering(stage, CAREER) == "career"
    try:
        stage.telegram.wait_reply(chat, thread, after=seq, timeout=0.5)
    except TimeoutError:
        return True
    return False


def turns_begun(stage: Stage, profile: str) -> int:
    """Return how many turns of conversations a profile began: jobs are in the same log."""
    lines = stage.worker_log(profile).splitlines()
    return sum(" hermes-router begin " in line and " session=agent:" in line for line in lines)


def routes_command(stage: Stage) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hermes_router.cli", "routes"],
        env=stage.root.gateway_environ(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_an_edited_route_is_in_force_for_the_next_message(stage: Stage) -> None:
    assert answering(stage, UNROUTED) == "default"
    pid = stage.gateway.pid
    with edited(stage, {PLATFORM: {str(FORUM): {**TOPICS, str(UNROUTED): "systems"}}}):
        assert answering(stage, UNROUTED) == "systems"
    assert answering(stage, UNROUTED) == "default"
    assert stage.gateway.pid == pid
    assert stage.gateway.running


def test_an_edit_is_logged_by_the_names_of_what_it_changes(stage: Stage) -> None:
    place = f"{PLATFORM}:{FORUM}:{UNROUTED}"
    routes = {PLATFORM: {str(FORUM): {**TOPICS, str(UNROUTED): "systems"}}}
    with edited(stage, routes, {"defaults": {"limits": {"queue": 7}}}):
        assert answering(stage, UNROUTED) == "systems"
        for change in (f"route added: {place} -> systems", "defaults.limits.queue: 7, was 32"):
            assert " INFO " in stage.gateway.wait_log(f"configuration: {change}", log="agent.log")
        routes[PLATFORM][str(FORUM)][str(UNROUTED)] = "career"
        stage.root.configure({"gateway": {"profile_routes": routes}})
        assert answering(stage, UNROUTED) == "career"
        change = f"route changed: {place} -> career, was systems"
        stage.gateway.wait_log(f"configuration: {change}", log="agent.log")
    assert answering(stage, UNROUTED) == "default"
    stage.gateway.wait_log(f"configuration: route removed: {place} -> career", log="agent.log")


def test_a_turn_in_flight_ends_as_it_began(stage: Stage) -> None:
    gate = threading.Event()
    stage.model.script(Reply("begun by career", hold=gate), contains="hold this", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("hold this", chat_id=FORUM, thread_id=CAREER)
    try:
        stage.model.wait_chat("hold this", timeout=150)
        with edited(stage, {PLATFORM: {str(FORUM): {str(CAREER): "systems"}}}):
            # Another sender, so that it is not a message for the turn that runs.
            assert answering(stage, CAREER, user_id=SECOND) == "systems"
            gate.set()
            stage.telegram.wait_reply(
                FORUM, CAREER, contains="begun by career", after=seq, timeout=150
            )
    finally:
        gate.set()


def test_a_broken_edit_keeps_the_last_good_table_and_is_reported(stage: Stage) -> None:
    assert answering(stage, CAREER) == "career"
    with edited(stage, [{"platfrom": PLATFORM, "chat_id": str(FORUM), "profile": "systems"}]):
        assert answering(stage, CAREER) == "career"
        line = stage.gateway.wait_log("configuration refused", timeout=150)
        assert "the last good one stays in force" in line
        shown = routes_command(stage)
        assert shown.returncode == 2
        assert "unknown key 'platfrom'" in shown.stderr
        assert f"{stage.root.path / 'config.yaml'}:" in shown.stderr
        assert "last good table" in shown.stderr
        assert f"running, process {stage.gateway.pid}, with an older table" in shown.stderr
        assert "Traceback" not in shown.stderr
    assert answering(stage, CAREER) == "career"
    mended = routes_command(stage)
    assert mended.returncode == 3  # one route of the stage leads to a profile that is missing
    assert f"running, process {stage.gateway.pid}" in mended.stdout


def test_unmatched_messages_are_denied_where_the_policy_says_so(stage: Stage) -> None:
    routes = {PLATFORM: {str(FORUM): TOPICS}}
    with edited(stage, routes, {"unmatched": "deny"}):
        assert unanswered(stage, UNROUTED)
        assert unanswered(stage, None, chat_id=USER)
    with edited(stage, routes, {"unmatched": {"default": "default", PLATFORM: "deny"}}):
        assert unanswered(stage, UNROUTED)


def test_unmatched_messages_go_to_the_profile_of_the_policy(stage: Stage) -> None:
    with edited(stage, {PLATFORM: {str(FORUM): TOPICS}}, {"unmatched": "systems"}):
        assert answering(stage, UNROUTED) == "systems"
        assert answering(stage, None, chat_id=USER) == "systems"
        assert answering(stage, CAREER) == "career"


def test_a_senders_route_answers_that_sender_and_nobody_else(stage: Stage) -> None:
    in_topic = {"chat_id": str(FORUM), "thread_id": str(CAREER)}
    routes = [
        {"platform": PLATFORM, **in_topic, "profile": "career"},
        {"platform": PLATFORM, **in_topic, "user_id": str(SECOND), "profile": "systems"},
        {"platform": PLATFORM, "user_id": str(SECOND), "profile": "career"},
    ]
    with edited(stage, routes):
        assert answering(stage, CAREER) == "career"
        assert answering(stage, CAREER, user_id=SECOND) == "systems"
        assert answering(stage, UNROUTED, user_id=SECOND) == "career"
        assert answering(stage, UNROUTED) == "default"


def test_a_route_to_the_gateways_own_profile_is_answered_by_the_gateway(stage: Stage) -> None:
    routes = {PLATFORM: {str(FORUM): {"*": "career", str(UNROUTED): "default"}}}
    with edited(stage, routes):
        assert answering(stage, SYSTEMS) == "career"
        assert answering(stage, UNROUTED) == "default"
        assert not (stage.root.path / "logs" / FILE_NAME).exists()


def test_the_general_topic_may_be_called_general(stage: Stage) -> None:
    routes = {PLATFORM: {str(FORUM): {"general": "systems", str(CAREER): "career"}}}
    with edited(stage, routes):
        assert answering(stage, None) == "systems"
        assert answering(stage, CAREER) == "career"
        assert answering(stage, UNROUTED) == "default"


# -- beside upstream's own router ------------------------------------------------------------------


OWN_TOKEN = "7654321:a-bot-of-the-profiles-own_BBBBBBBBBBBB"


def _bot(telegram: FakeTelegram, token: str) -> dict[str, Any]:
    extra = {
        "base_url": telegram.base_url,
        "base_file_url": telegram.file_url,
        "fallback_ips": ["149.154.167.220"],
    }
    return {"enabled": True, "token": token, "extra": extra}


@pytest.fixture(scope="module")
def multiplexing(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Stage]:
    """A gateway with upstream's router switched on, and the routes in upstream's own list."""
    # A Telegram of its own: the module's other gateway still polls the other one.
    with FakeTelegram() as telegram:
        stage = build_stage(tmp_path_factory.mktemp("multiplexing"), telegram, model)
        routes = [
            {
                "name": f"topic {topic}",
                "platform": PLATFORM,
                "chat_id": str(FORUM),
                "thread_id": topic,
                "profile": profile,
                "enabled": True,
            }
            for topic, profile in TOPICS.items()
        ]
        stage.root.configure({"gateway": {"multiplex_profiles": True, "profile_routes": routes}})
        stage.root.extra_environ["GATEWAY_MULTIPLEX_PROFILES"] = "true"
        systems = stage.root.profiles["systems"]
        systems.configure({"platforms": {"telegram": _bot(telegram, OWN_TOKEN)}})
        systems.env({"TELEGRAM_ALLOWED_USERS": str(USER)})
        with Gateway(stage.root) as gateway:
            stage.gateway = gateway
            yield stage


def test_a_listed_route_is_answered_by_a_worker_and_by_one_router_only(
    multiplexing: Stage,
) -> None:
    stage = multiplexing
    begun = turns_begun(stage, "career")
    seen = stage.model.seq
    assert answering(stage, CAREER) == "career"
    answer = stage.ask("who is it?", CAREER, contains="who is it?")
    stage.wait_settled("career")
    assert turns_begun(stage, "career") == begun + 2
    assert [r.model for r in stage.model.requests("chat", after=seen)] == ["career-model"]
    said = [message.text for message in stage.telegram.transcript(FORUM, CAREER)]
    assert [text for text in said if "who is it?" in text] == [answer.text]


def test_what_is_not_listed_is_the_default_profiles(multiplexing: Stage) -> None:
    assert answering(multiplexing, UNROUTED) == "default"
    assert answering(multiplexing, None, chat_id=USER) == "default"


def test_what_came_to_a_profiles_own_bot_is_hermess_whatever_the_routes_say(
    multiplexing: Stage,
) -> None:
    """Multiplexing stamps it with the profile; the topic is routed to another one."""
    stage = multiplexing
    stage.telegram.wait_polling(OWN_TOKEN, timeout=150)
    begun = {name: turns_begun(stage, name) for name in ("career", "systems")}
    seq, seen = stage.telegram.seq, stage.model.seq
    stage.telegram.say("to your own bot", chat_id=FORUM, thread_id=CAREER, bot_token=OWN_TOKEN)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="to your own bot", after=seq, timeout=150, token=OWN_TOKEN
    )
    assert [r.model for r in stage.model.requests("chat", after=seen)] == ["systems-model"]
    assert {name: turns_begun(stage, name) for name in begun} == begun


# -- a file that is broken from the start ----------------------------------------------------------


def test_a_gateway_that_starts_with_a_broken_file_answers_nowhere_until_it_is_mended(
    tmp_path_factory: pytest.TempPathFactory, model: FakeModel
) -> None:
    with FakeTelegram() as telegram:
        stage = build_stage(tmp_path_factory.mktemp("broken"), telegram, model)
        stage.root.configure({"gateway": {"profile_routes": {PLATFORM: {str(FORUM): {"6": 1.5}}}}})
        seen = model.seq
        with Gateway(stage.root) as gateway:
            stage.gateway = gateway
            gateway.wait_log("configuration refused, nothing is routed", timeout=150)
            for thread in (CAREER, UNROUTED):
                assert "routes of this bot cannot be read" in stage.ask("hello", thread).text
            assert model.requests("chat", after=seen) == []
            with edited(stage, {PLATFORM: {str(FORUM): TOPICS}}):
                assert answering(stage, CAREER) == "career"
                assert answering(stage, UNROUTED) == "default"
