"""Who may give the gateway's own commands in a routed place: three lists are asked."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.telegram.types import USER

COLLEAGUE = 8_000_017
"""May use the bot, and is nobody's admin."""
PROFILES_ADMIN = 8_000_018
"""An admin of career's, and not of the gateway."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    """The gateway names admins for direct messages only, career for groups only."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    users = (USER, COLLEAGUE, PROFILES_ADMIN)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": ",".join(map(str, users))})
    stage.root.configure({"platforms": {"telegram": {"extra": {"allow_admin_from": [str(USER)]}}}})
    admins = {"group_allow_admin_from": [str(PROFILES_ADMIN)]}
    stage.root.profiles["career"].configure({"platforms": {"telegram": {"extra": admins}}})
    return stage


@pytest.mark.parametrize("command", ["/restart", "/update", "/platform list", "/router"])
@pytest.mark.parametrize("user", [COLLEAGUE, PROFILES_ADMIN])
@pytest.mark.parametrize("topic", [CAREER, SYSTEMS])
def test_who_is_not_the_gateways_admin_may_not_command_it(
    stage: Stage, command: str, user: int, topic: int
) -> None:
    answer = stage.ask(command, topic, user_id=user)
    assert answer.text.startswith(f"⛔ {command.split(maxsplit=1)[0]}"), answer.text
    assert stage.gateway.running


def test_who_is_not_the_profiles_admin_may_not_command_the_gateway_there(stage: Stage) -> None:
    answer = stage.ask("/platform list", CAREER, user_id=USER)
    assert answer.text.startswith("⛔ /platform"), answer.text


def test_who_may_not_ask_the_router_learns_nothing_of_the_place(stage: Stage) -> None:
    answer = stage.ask("/router", SYSTEMS, user_id=COLLEAGUE).text
    assert "systems" not in answer
    assert str(FORUM) not in answer
    assert "This place" in stage.ask("/router", SYSTEMS, user_id=USER).text


def test_a_command_while_the_session_is_busy_is_refused_too(stage: Stage) -> None:
    seq = stage.telegram.seq
    stage.telegram.say("[[sleep 4]][[say slept]]", chat_id=FORUM, thread_id=SYSTEMS)
    stage.model.wait_for(lambda request: "[[sleep 4]]" in request.last_user, timeout=150)
    stage.telegram.say("/restart", chat_id=FORUM, thread_id=SYSTEMS, user_id=COLLEAGUE)
    stage.telegram.say("/router", chat_id=FORUM, thread_id=SYSTEMS, user_id=COLLEAGUE)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="⛔ /restart", after=seq, timeout=150)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="⛔ /router", after=seq, timeout=150)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="slept", after=seq, timeout=150)
    assert stage.gateway.running


def test_the_admin_of_all_lists_may(stage: Stage) -> None:
    answer = stage.ask("/platform list", SYSTEMS, user_id=USER)
    assert not answer.text.startswith("⛔")


def test_without_a_list_of_the_gateway_the_profiles_list_is_asked(stage: Stage) -> None:
    """Stop the gateway and take its list away; career's stays."""
    stage.gateway.stop()
    stage.root.configure({"platforms": {"telegram": {"extra": {"allow_admin_from": []}}}})
    stage.gateway.start()
    refused = stage.ask("/platform list", CAREER, user_id=COLLEAGUE)
    allowed = stage.ask("/platform list", CAREER, user_id=PROFILES_ADMIN)
    without_any_list = stage.ask("/platform list", SYSTEMS, user_id=COLLEAGUE)
    unrouted = stage.ask("/platform list", UNROUTED, user_id=COLLEAGUE)
    assert refused.text.startswith("⛔ /platform"), refused.text
    assert not allowed.text.startswith("⛔"), allowed.text
    assert without_any_list.text.startswith("⛔") == unrouted.text.startswith("⛔")


def test_a_place_that_nobody_answers_is_no_way_around_the_lists(stage: Stage) -> None:
    stage.gateway.stop()
    admins = {"allow_admin_from": [str(USER)]}
    stage.root.configure(
        {
            "platforms": {"telegram": {"extra": admins}},
            "hermes_router": {"unmatched": "deny"},
        }
    )
    stage.gateway.start()
    refused = stage.ask("/platform list", UNROUTED, user_id=COLLEAGUE)
    allowed = stage.ask("/platform list", UNROUTED, user_id=USER)
    assert refused.text.startswith("⛔ /platform"), refused.text
    assert not allowed.text.startswith("⛔"), allowed.text
