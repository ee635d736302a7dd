"""Who is told of a kanban card: a profile's wish reaches no further than what it may send."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hermes_router.config import model
from hermes_router.relay.kanban import Row, Subscriptions
from hermes_router.routing.table import Place
from hermes_router.state.known_conversations import KnownConversation, KnownConversations

TEXT = """
gateway:
  profile_routes:
    telegram:
      "-1001": {6: career, 13: systems}
      "5550001": kid
hermes_router:
  profiles:
    systems: {deliver: ["telegram:-1001:6"]}
"""
CAREER, SYSTEMS, KID, UNROUTED = ("-1001", "6"), ("-1001", "13"), ("5550001", ""), ("777", "")


@pytest.fixture
def loaded(tmp_path: Path) -> model.RouterConfig:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return model.load(path)


@pytest.fixture
def subscriptions(tmp_path: Path) -> Subscriptions:
    return Subscriptions(KnownConversations(tmp_path / "seen.json").of)


def row(where: tuple[str, str], owner: str | None) -> Row:
    fields = {"task_id": "t_1", "platform": "telegram", "user_id": None}
    return fields | {"chat_id": where[0], "thread_id": where[1], "notifier_profile": owner}


@pytest.mark.parametrize(
    ("owner", "where"), [("career", CAREER), ("systems", SYSTEMS), ("kid", KID)]
)
def test_a_profile_is_told_in_its_own_conversations_and_goes_on_there(
    subscriptions: Subscriptions, loaded: model.RouterConfig, owner: str, where: tuple[str, str]
) -> None:
    served = subscriptions.served(row(where, owner), loaded)
    assert served == row(where, None)
    assert subscriptions.wakes("card t_1 is done", Place("telegram", *where))
    assert subscriptions.wakes("card t_2 is done", Place("telegram", *where)) is None


@pytest.mark.parametrize(
    ("owner", "where"),
    [
        ("career", SYSTEMS),  # another profile's
        ("career", UNROUTED),  # the gateway's own
        ("kid", CAREER),
        ("default", CAREER),  # a claim that anybody can write
        ("", CAREER),
        (None, SYSTEMS),
    ],
)
def test_a_subscription_for_somebody_elses_conversation_is_refused_and_logged_once(
    subscriptions: Subscriptions,
    loaded: model.RouterConfig,
    caplog: pytest.LogCaptureFixture,
    owner: str | None,
    where: tuple[str, str],
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert subscriptions.served(row(where, owner), loaded) is None
    assert len(caplog.records) == 1
    assert "kanban card t_1: telegram:" in caplog.text
    assert subscriptions.wakes("card t_1 is done", Place("telegram", *where)) is None


def test_where_a_profile_may_deliver_its_notices_arrive_and_wake_nobody(
    subscriptions: Subscriptions, loaded: model.RouterConfig
) -> None:
    assert subscriptions.served(row(CAREER, "systems"), loaded) == row(CAREER, None)
    assert subscriptions.wakes("card t_1 is done", Place("telegram", *CAREER)) is False


@pytest.mark.parametrize("owner", ["default", None, "of-another-gateway"])
def test_what_is_not_routed_is_left_to_hermes(
    subscriptions: Subscriptions, loaded: model.RouterConfig, owner: str | None
) -> None:
    assert subscriptions.served(row(UNROUTED, owner), loaded) == row(UNROUTED, owner)


def test_a_hermes_that_notes_no_owner_is_served_where_a_profile_answers(
    subscriptions: Subscriptions, loaded: model.RouterConfig
) -> None:
    old = {name: value for name, value in row(CAREER, None).items() if name != "notifier_profile"}
    assert subscriptions.served(old, loaded) is not None
    assert subscriptions.wakes("card t_1 is done", Place("telegram", *CAREER))


def test_a_subscription_that_comes_while_a_text_is_looked_at_disturbs_nothing(
    subscriptions: Subscriptions, loaded: model.RouterConfig
) -> None:
    """Hermes lists subscriptions in a thread. Here the look itself lets one more be listed."""

    class Text(str):
        __slots__ = ()

        def __contains__(self, task: str) -> bool:  # type: ignore[override]
            subscriptions.served(row(CAREER, "career") | {"task_id": "t_3"}, loaded)
            return super().__contains__(task)

    for task in ("t_1", "t_2"):
        subscriptions.served(row(CAREER, "career") | {"task_id": task}, loaded)
    place = Place("telegram", *CAREER)
    assert subscriptions.wakes(Text("card t_9 is done"), place) is None
    assert subscriptions.wakes("card t_3 is done", place)


def test_the_own_bot_of_a_conversation_tells_of_its_card(tmp_path: Path) -> None:
    path, kept = tmp_path / "config.yaml", KnownConversations(tmp_path / "seen.json")
    route = "{platform: telegram, chat_id: '5', bot_profile: systems, profile: career}"
    path.write_text(f"gateway: {{profile_routes: [{route}]}}")
    kept.note("career", KnownConversation(place=Place("telegram", "5", bot="systems")))
    served = Subscriptions(kept.of).served(row(("5", ""), "career"), model.load(path))
    assert served is not None
    assert served["notifier_profile"] == "systems"
