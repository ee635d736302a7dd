"""Where a profile may send, and what is its home channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes_router.base.errors import RelayRefused
from hermes_router.config.model import RouterConfig
from hermes_router.config.reader import Unmatched
from hermes_router.config.settings import Settings
from hermes_router.relay.delivery_policy import (
    Sender,
    conversations,
    delivery_scope,
    destination,
    home_channels,
    lasting,
    may_open_thread,
    may_send,
    spelled,
)
from hermes_router.routing.table import Place, Route, RouteTable
from hermes_router.state.known_conversations import KnownConversation, KnownConversations

FORUM = "-100"


def config(*routes: Route, unmatched: str = "default", **settings: Any) -> RouterConfig:
    return RouterConfig(
        path=Path("config.yaml"),
        table=RouteTable.build(routes),
        unmatched=Unmatched(default=unmatched),
        profiles={"career": Settings(**settings)},
    )


def route(profile: str = "career", platform: str = "telegram", **ids: Any) -> Route:
    return Route(platform=platform, profile=profile, **ids)


def topic(thread: str | None = None, chat: str = FORUM) -> Place:
    return Place("telegram", chat_id=chat, thread_id=thread)


SENDER = Sender(profile="career")
TOPICS = (route(chat_id=FORUM, thread_id="6"), route("systems", chat_id=FORUM, thread_id="13"))


def test_a_profile_sends_to_what_is_routed_to_it_and_nowhere_else() -> None:
    known = config(*TOPICS)
    assert destination(known, SENDER, topic("6")) == topic("6")
    for other in (topic("13"), topic("20"), topic("6", chat="-200"), topic(chat="42")):
        with pytest.raises(RelayRefused, match="not routed to it"):
            destination(known, SENDER, other)


def test_a_refusal_says_which_setting_allows_it() -> None:
    with pytest.raises(RelayRefused) as refusal:
        destination(config(*TOPICS), SENDER, topic("13"))
    assert "hermes_router.profiles.career.deliver: ['telegram:-100:13']" in str(refusal.value)


@pytest.mark.parametrize(
    ("deliver", "allowed", "refused"),
    [
        ("any", [topic("13"), topic(chat="42")], []),
        (("telegram:-100:13",), [topic("13"), topic("6")], [topic("14"), topic(), topic(chat="4")]),
        (("telegram:-100",), [topic("13"), topic()], [topic(chat="42")]),
        (("telegram:42",), [topic(chat="42")], [topic("13"), topic(chat="420")]),
        (("discord:-100",), [], [topic("13"), topic()]),
        ("own", [topic("6")], [topic("13")]),
    ],
)
def test_deliver_widens_it(deliver: Any, allowed: list[Place], refused: list[Place]) -> None:
    known = config(*TOPICS, deliver=deliver)
    assert all(may_send(known, SENDER, place) for place in allowed)
    assert not any(may_send(known, SENDER, place) for place in refused)


def test_what_nobody_routes_is_of_the_profile_that_answers_it() -> None:
    assert may_send(config(*TOPICS, unmatched="career"), SENDER, topic("99"))
    assert not may_send(config(*TOPICS, unmatched="career"), SENDER, topic("13"))
    assert not may_send(config(*TOPICS, unmatched="deny"), SENDER, topic("99"))


@pytest.mark.parametrize(
    ("chat", "thread"),
    [
        (FORUM, "013"),
        (FORUM, " 13"),
        (FORUM, "1_3"),
        (FORUM, "\u0661\u0663"),
        ("-0100", "13"),
        (" -100", "13"),
        ("-100\n", "13"),
        ("@theforum", None),
        ("@theforum", "13"),
    ],
)
def test_another_spelling_of_a_foreign_conversation_is_not_anybodys(
    chat: str, thread: str | None
) -> None:
    whole = config(*TOPICS, route(chat_id=FORUM), unmatched="career")
    place = Place("telegram", chat_id=chat, thread_id=thread)
    assert not may_send(whole, SENDER, place)


def test_where_ids_are_words_a_conversation_must_be_named_or_seen() -> None:
    matrix = config(route(platform="matrix"), route(platform="slack", chat_id="C0123"))
    room = Place("matrix", chat_id="#alias:server")
    assert not may_send(matrix, SENDER, room)
    assert may_send(matrix, SENDER, room, [KnownConversation(place=room)])
    assert may_send(matrix, SENDER, Place("slack", chat_id="C0123"))


@pytest.mark.parametrize("platform", ["discord", "feishu", "of-a-plugin"])
def test_a_thread_by_which_alone_an_adapter_sends_must_be_named_or_seen(platform: str) -> None:
    """``discord:111:222`` is channel 222, whatever chat stands before it."""
    own, others = Place(platform, chat_id="111"), Place(platform, chat_id="222")
    inside = Place(platform, chat_id="111", thread_id="222")
    routes = (
        route(platform=platform, chat_id="111"),
        route("systems", platform=platform, chat_id="222"),
    )
    known = config(*routes)
    assert may_send(known, SENDER, own)
    assert not may_send(known, SENDER, others)
    assert not may_send(known, SENDER, inside)
    assert may_send(known, SENDER, inside, [KnownConversation(place=inside)])
    assert may_send(known, Sender(profile="career", origin=inside), inside)
    listed = config(route("systems", platform=platform), deliver=(f"{platform}:111",))
    assert may_send(listed, SENDER, own)
    assert not may_send(listed, SENDER, inside)
    assert may_send(config(*routes, deliver=(f"{platform}:111:222",)), SENDER, inside)
    assert not may_send(config(*routes, home_channel=f"{platform}:111"), SENDER, inside)
    named = route(platform=platform, chat_id="111", thread_id="222")
    assert may_send(config(named), SENDER, inside)
    whole = Place(platform, chat_id="333", thread_id="333")  # how Discord names a thread
    assert may_send(config(route(platform=platform, chat_id="333")), SENDER, whole)


@pytest.mark.parametrize("platform", ["telegram", "slack", "matrix", "mattermost", "google_chat"])
def test_a_thread_that_is_found_in_its_chat_only_is_the_chats(platform: str) -> None:
    inside = Place(platform, chat_id="111", thread_id="222")
    assert may_send(config(route(platform=platform, chat_id="111")), SENDER, inside)
    assert may_send(config(deliver=(f"{platform}:111",)), SENDER, inside)


def test_a_number_on_discord_does_not_say_whose_channel_its_thread_is_in() -> None:
    routes = config(route("systems", platform="discord", chat_id="222"), unmatched="career")
    in_222 = Place("discord", chat_id="999")
    assert not may_send(routes, SENDER, in_222)
    seen = Place("discord", chat_id="999", thread_id="999", parent_chat_id="111")
    there = Place("discord", chat_id="999", thread_id="999")
    assert may_send(routes, SENDER, there, [KnownConversation(place=seen)])


def test_a_private_chat_belongs_to_the_profile_of_its_person() -> None:
    routes = config(route("systems", user_id="5"), unmatched="career")
    assert not may_send(routes, SENDER, topic(chat="5"))
    assert may_send(routes, SENDER, topic(chat="6"))


def test_a_thread_that_is_left_out_is_the_one_of_the_origin_or_else_of_the_home() -> None:
    both = config(*TOPICS, route(chat_id=FORUM, thread_id="7"))
    here = Sender(profile="career", origin=topic("7"))
    assert destination(both, here, topic()) == topic("7")
    assert destination(both, SENDER, topic(), [KnownConversation(place=topic("6"))]) == topic("6")


def test_a_thread_that_is_left_out_stays_out_where_the_chat_itself_is_the_profiles() -> None:
    here = Sender(profile="career", origin=topic("7"))
    assert destination(config(route(chat_id=FORUM)), here, topic()) == topic()


def test_the_bot_of_a_conversation_sends_what_is_for_it() -> None:
    """A person's private chat has the same id with each bot."""
    own = Place("telegram", chat_id="5", bot="systems")
    shared, seen = topic(chat="5"), [KnownConversation(place=own)]
    by_own = config(route(chat_id="5", bot_profile="systems"))
    here = Sender(profile="career", origin=own)
    assert destination(by_own, here, shared) == own
    assert destination(by_own, SENDER, shared, seen) == own
    assert not may_send(by_own, SENDER, shared)
    both = config(route(chat_id="5", bot_profile="systems"), route(chat_id="5"))
    assert destination(both, here, shared, seen) == own
    assert destination(both, SENDER, shared, seen) == shared


def test_a_conversation_that_a_route_knows_by_server_or_sender_must_have_been_seen() -> None:
    routes = config(route(platform="discord", guild_id="3"), route(user_id="5"))
    channel = Place("discord", chat_id="44")
    group = Place("telegram", chat_id="-9")
    seen = [
        KnownConversation(place=Place("discord", chat_id="44", guild_id="3")),
        KnownConversation(place=Place("telegram", chat_id="-9", user_id="5")),
    ]
    assert not may_send(routes, SENDER, channel)
    assert not may_send(routes, SENDER, group)
    assert may_send(routes, SENDER, channel, seen)
    assert may_send(routes, SENDER, group, seen)
    moved = config(route("systems", platform="discord", guild_id="3"))
    assert not may_send(moved, SENDER, channel, seen)


@pytest.mark.parametrize(
    ("routes", "opens"),
    [
        ([route(chat_id=FORUM, thread_id="6")], False),
        ([route(chat_id=FORUM, thread_id="6"), route("systems", chat_id=FORUM)], False),
        ([route(chat_id=FORUM, thread_id="6"), route(chat_id=FORUM)], True),
        ([route("systems", chat_id=FORUM, thread_id="13"), route(chat_id=FORUM)], True),
        ([route("systems", chat_id=FORUM, thread_id="general"), route(chat_id=FORUM)], False),
        ([route(chat_id=FORUM, thread_id="6", user_id="5"), route("kid", chat_id=FORUM)], False),
        ([route(user_id="5")], True),
    ],
)
def test_a_thread_may_be_opened_where_the_chat_and_its_new_threads_are_the_profiles(
    routes: list[Route], opens: bool
) -> None:
    here = Place("telegram", chat_id=FORUM, thread_id="6", user_id="5")
    assert may_open_thread(config(*routes), "career", here) is opens


def test_the_home_is_as_configured_else_the_first_used_else_the_first_named() -> None:
    first, second = (
        KnownConversation(place=topic("7"), name="seven"),
        KnownConversation(place=topic("6"), name="six"),
    )
    routes = (*TOPICS, route(chat_id=FORUM, thread_id="7"))
    assert home_channels(config(*routes), "career", [first, second]) == [first]
    assert home_channels(config(*TOPICS), "career", [first, second]) == [second]
    assert [spelled(home.place) for home in home_channels(config(*TOPICS), "career", [])] == [
        "telegram:-100:6"
    ]
    chosen = config(*routes, home_channel="telegram:42")
    assert [home.place for home in home_channels(chosen, "career", [first])] == [topic(chat="42")]
    assert may_send(chosen, SENDER, topic(chat="42"))


def test_a_profile_without_any_conversation_has_no_home() -> None:
    assert home_channels(config(route(user_id="5")), "career", []) == []
    assert conversations(config(), "career", [KnownConversation(place=topic("6"))]) == []


def test_a_worker_is_told_only_of_platforms_that_are_connected() -> None:
    told = delivery_scope(
        config(*TOPICS, route(platform="discord", chat_id="4")), SENDER, ["telegram"], []
    )
    assert [home.platform for home in told.homes] == ["telegram"]
    assert [place.thread_id for place in told.places] == ["6"]
    assert not told.anywhere


def test_the_sender_is_remembered_only_where_the_route_asks_for_it() -> None:
    group = KnownConversation(place=Place("telegram", chat_id="-9", user_id="5"))
    assert lasting(config(route(user_id="5")), "career", group) == group
    assert lasting(config(route(chat_id="-9")), "career", group).place.user_id is None


def test_what_was_seen_is_there_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "hermes-router" / "conversations.json"
    seen = KnownConversations(file)
    seen.note("career", KnownConversation(place=topic("6"), name="six"))
    seen.note("career", KnownConversation(place=topic("7")))
    seen.note("career", KnownConversation(place=topic("6"), name="renamed"))
    again = KnownConversations(file).of("career")
    assert again == (
        KnownConversation(place=topic("6"), name="renamed"),
        KnownConversation(place=topic("7")),
    )
    assert file.stat().st_mode & 0o077 == 0


def test_what_the_disk_did_not_take_is_written_with_the_next_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "hermes-router"
    folder.touch()
    seen, known = KnownConversations(folder / "seen.json"), KnownConversation(place=topic("6"))
    for _message in range(3):
        seen.note("career", known)
    failures = [one for one in caplog.records if "could not be written" in one.message]
    assert [one.levelname for one in failures] == ["WARNING"]
    folder.unlink()
    seen.note("career", known)
    assert KnownConversations(folder / "seen.json").of("career") == (known,)


def test_the_first_conversation_is_never_forgotten(tmp_path: Path) -> None:
    seen = KnownConversations(tmp_path / "conversations.json")
    for number in range(600):
        seen.note("career", KnownConversation(place=topic(str(number))))
    threads = [known.place.thread_id for known in seen.of("career")]
    assert len(threads) == 500
    assert (threads[0], threads[-1]) == ("0", "599")


def test_a_broken_memory_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    file.write_text("{")
    assert KnownConversations(file).of("career") == ()
