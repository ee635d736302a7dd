"""Routes: what wins, what meets, and how it is explained."""

from __future__ import annotations

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from hermes_router.base.errors import ConfigError
from hermes_router.config.model import RouterConfig
from hermes_router.config.reader import Unmatched
from hermes_router.routing.explain import explain
from hermes_router.routing.table import Place, Route, RouteTable, parse_topic

FORUM = "-1003961179976"


def route(profile: str, platform: str = "telegram", **ids: Any) -> Route:
    return Route(platform=platform, profile=profile, file="config.yaml", line=len(profile), **ids)


def answer(routes: list[Route], place: Place) -> str | None:
    match = RouteTable.build(routes).match(place)
    return match.profile if match else None


def test_every_combination_of_discriminators_has_a_rank_of_its_own() -> None:
    ids = {"guild_id": "g", "chat_id": "c", "thread_id": "t", "user_id": "u"}
    subsets = [
        dict(named) for size in range(5) for named in itertools.combinations(ids.items(), size)
    ]
    ranks = {route("p", **named).specificity for named in subsets}
    assert ranks == set(range(0, 32, 2))


def test_a_route_matches_only_if_everything_that_it_names_holds() -> None:
    only = [route("p", guild_id="g", chat_id="c", thread_id="t", user_id="u")]
    here: dict[str, Any] = {"guild_id": "g", "chat_id": "c", "thread_id": "t", "user_id": "u"}
    assert answer(only, Place("telegram", **here)) == "p"
    for field in here:
        assert answer(only, Place("telegram", **{**here, field: "other"})) is None
        assert answer(only, Place("telegram", **{**here, field: None})) is None
    assert answer(only, Place("discord", **here)) is None


def test_the_sender_decides_before_the_scope() -> None:
    """Sender, then thread, then chat, then guild, then the platform."""
    routes = [
        route("platform"),
        route("guild", guild_id="g"),
        route("chat", chat_id="c"),
        route("thread", chat_id="c", thread_id="t"),
        route("person", user_id="u"),
    ]
    place = Place("telegram", guild_id="g", chat_id="c", thread_id="t", user_id="u")
    for expected in ("person", "thread", "chat", "guild", "platform"):
        assert answer(routes, place) == expected
        routes.pop()


def test_a_person_in_a_chat_beats_the_chat_and_a_thread_of_it() -> None:
    routes = [
        route("chat", chat_id="c"),
        route("person", user_id="u"),
        route("person-here", chat_id="c", user_id="u"),
        route("thread", chat_id="c", thread_id="t"),
    ]
    assert answer(routes, Place("telegram", chat_id="c", user_id="u")) == "person-here"
    assert answer(routes, Place("telegram", chat_id="c", user_id="v")) == "chat"
    assert answer(routes, Place("telegram", chat_id="d", user_id="u")) == "person"
    assert answer(routes, Place("telegram", "c", "t", "u")) == "person-here"
    assert answer(routes, Place("telegram", "c", "t", "v")) == "thread"


def test_a_route_holds_for_the_bot_that_it_names_and_for_no_other() -> None:
    """A person's private chat has one id with every bot."""
    routes = [route("shared", chat_id="7"), route("theirs", chat_id="7", bot_profile="x")]
    assert answer(routes, Place("telegram", "7")) == "shared"
    assert answer(routes, Place("telegram", "7", bot="x")) == "theirs"
    assert answer(routes, Place("telegram", "7", bot="y")) is None


def test_what_another_profiles_bot_receives_is_not_subject_to_the_rest() -> None:
    table = RouteTable.build([route("all")])
    config = RouterConfig(path=Path("c"), table=table, unmatched=Unmatched(default="deny"))
    assert config.decide(Place("telegram", "7")).profile == "all"
    assert config.decide(Place("irc", "7")).action == "deny"
    assert config.decide(Place("telegram", "7", bot="x")).action == "in_process"


def test_a_route_on_a_chat_covers_places_whose_parent_it_is() -> None:
    table = RouteTable.build([route("forum", "discord", chat_id="channel")])
    match = table.match(Place("discord", chat_id="post", parent_chat_id="channel"))
    assert match is not None
    assert match.via_parent
    assert table.match(Place("discord", chat_id="post", parent_chat_id="elsewhere")) is None


@pytest.mark.parametrize("reverse", [False, True])
def test_a_route_on_the_chat_beats_one_on_its_parent_in_any_order(reverse: bool) -> None:
    routes = [route("parent", "discord", chat_id="p"), route("self", "discord", chat_id="c")]
    routes = routes[::-1] if reverse else routes
    assert answer(routes, Place("discord", chat_id="c", parent_chat_id="p")) == "self"


def test_a_more_specific_route_on_the_parent_beats_one_on_the_chat() -> None:
    routes = [
        route("chat", "discord", chat_id="c"),
        route("parent", "discord", chat_id="p", guild_id="g"),
    ]
    assert answer(routes, Place("discord", "c", parent_chat_id="p", guild_id="g")) == "parent"


def test_a_place_without_a_chat_is_not_the_chat_none() -> None:
    routes = [route("p", "discord", chat_id="None", thread_id="t")]
    place = Place("discord", chat_id=None, thread_id="t", parent_chat_id="x")
    assert answer(routes, place) is None


def test_a_message_without_a_sender_is_not_from_the_sender_none() -> None:
    assert answer([route("p", user_id="None")], Place("telegram", "c")) is None
    assert answer([route("p", guild_id="None")], Place("telegram", "c")) is None


def test_empty_ids_of_a_message_count_as_absent() -> None:
    routes = [route("p", chat_id="c"), route("all")]
    assert answer(routes, Place("telegram", "", "", "", "", "")) == "all"


@pytest.mark.parametrize("thread", [None, "", "1"])
def test_the_general_topic_is_thread_one_or_none(thread: str | None) -> None:
    routes = [route("general", chat_id=FORUM, thread_id="general"), route("rest", chat_id=FORUM)]
    assert answer(routes, Place("telegram", FORUM, thread)) == "general"
    assert answer(routes, Place("telegram", FORUM, "2")) == "rest"
    assert answer(routes, Place("telegram", "-100", thread)) is None


def test_general_is_an_ordinary_thread_elsewhere_than_on_telegram() -> None:
    routes = [route("p", "slack", chat_id="c", thread_id="general")]
    assert answer(routes, Place("slack", "c", "general")) == "p"
    assert answer(routes, Place("slack", "c", None)) is None


def test_equal_routes_to_different_profiles_are_refused_naming_both_with_their_places() -> None:
    one = Route(platform="irc", profile="a", chat_id="#c", name="one", file="f", line=3, column=5)
    two = Route(platform="irc", profile="b", chat_id="#c", name="two", file="g", line=8, column=5)
    with pytest.raises(ConfigError) as caught:
        RouteTable.build([one, two])
    [problem] = caught.value.problems
    assert (problem.code, problem.file, problem.line) == ("conflict", "g", 8)
    assert "'two'" in problem.message
    assert "'one'" in problem.message
    assert "f:3:5" in problem.message


def test_a_route_that_repeats_another_is_reported_as_never_reached() -> None:
    _, problems = RouteTable.index([route("p", chat_id="c"), route("p", chat_id="c")])
    assert [problem.code for problem in problems] == ["shadowed"]


def test_a_disabled_route_neither_matches_nor_conflicts() -> None:
    off = Route(platform="telegram", profile="off", chat_id="c", enabled=False)
    assert answer([off, route("on", chat_id="c")], Place("telegram", "c")) == "on"
    assert answer([off], Place("telegram", "c")) is None


@pytest.mark.parametrize("step", [1, -1])
def test_general_and_thread_one_conflict_but_may_name_one_profile_in_any_order(step: int) -> None:
    one = route("a", chat_id="c", thread_id="1")
    two = [one, route("bb", chat_id="c", thread_id="general")][::step]
    _, problems = RouteTable.index(two)
    assert [problem.code for problem in problems] == ["conflict"]
    same = [one, route("a", chat_id="c", thread_id="general")][::step]
    table, problems = RouteTable.index(same)
    assert problems == []
    assert table.match(Place("telegram", "c", None)) is not None


def test_an_id_with_a_nul_is_refused_and_cannot_stand_for_two_others() -> None:
    _, problems = RouteTable.index([route("p", chat_id="a\0b")])
    assert [problem.code for problem in problems] == ["id"]
    assert answer([route("p", chat_id="a", thread_id="b")], Place("telegram", "a\0b", "")) is None


def test_the_explanation_says_of_each_route_near_the_place_why_it_lost() -> None:
    off = Route(platform="telegram", profile="off", chat_id=FORUM, thread_id="6", enabled=False)
    table = RouteTable.build(
        [
            route("career", chat_id=FORUM, thread_id="7"),
            route("forum", chat_id=FORUM),
            route("all"),
            route("elsewhere", chat_id="-100"),
            route("other", "discord", chat_id=FORUM),
            off,
        ]
    )
    explanation = explain(table, Place("telegram", FORUM, "6"))
    told = {item.route.profile: (item.outcome, item.reason) for item in explanation.candidates}
    assert told["forum"] == ("won", f"matches chat {FORUM}")
    assert told["career"] == ("mismatch", "requires thread 7, the message has 6")
    assert told["all"][0] == "outranked"
    assert "less specific (0)" in told["all"][1]
    assert told["off"][0] == "disabled"
    assert "elsewhere" not in told
    assert "other" not in told
    assert explanation.candidates[0].outcome == "won"


def test_the_explanation_of_a_parent_match_says_so() -> None:
    table = RouteTable.build(
        [route("p", "discord", chat_id="p"), route("c", "discord", chat_id="c")]
    )
    explanation = explain(table, Place("discord", "c", parent_chat_id="p"))
    assert [(item.route.profile, item.outcome) for item in explanation.candidates] == [
        ("c", "won"),
        ("p", "outranked"),
    ]
    assert "parent" in explanation.candidates[1].reason


def test_the_explanation_is_bounded_and_counts_what_it_leaves_out() -> None:
    routes = [route("p", chat_id=FORUM, thread_id=str(number)) for number in range(100)]
    explanation = explain(RouteTable.build(routes), Place("telegram", FORUM, "50"), limit=5)
    assert len(explanation.candidates) == 5
    assert explanation.omitted == 95
    assert explanation.candidates[0].outcome == "won"


def test_routes_are_listed_most_specific_first_and_else_as_they_stand_in_the_file() -> None:
    routes = [
        route("a"),
        route("b", chat_id="1"),
        route("c", chat_id="2"),
        route("d", guild_id="1"),
    ]
    assert [item.profile for item in RouteTable.build(routes).routes] == ["b", "c", "d", "a"]


@pytest.mark.parametrize(
    ("platform", "text", "expected"),
    [
        ("telegram", "-100:6", ("-100", "6")),
        ("telegram", "-100", ("-100", None)),
        ("telegram", "-100:*", ("-100", None)),
        ("matrix", "!room:server.org", ("!room:server.org", None)),
        ("matrix", "!room:server.org:8448", ("!room:server.org:8448", None)),
        ("matrix", "!room:server.org:$event", ("!room:server.org", "$event")),
        ("matrix", "!room:server.org:$event:server.org", ("!room:server.org", "$event:server.org")),
        ("signal", "group:abc=:*", ("group:abc=", None)),
        ("teams", "a:b:c", ("a:b", "c")),
    ],
)
def test_chat_and_thread_are_told_apart(
    platform: str, text: str, expected: tuple[str, str | None]
) -> None:
    assert parse_topic(platform, text) == expected


@pytest.mark.parametrize("text", ["-100:", ":6", "group:abc", "19:abc@thread.tacv2"])
def test_what_cannot_be_told_apart_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"colon|ambiguous"):
        parse_topic("teams", text)


def _large(size: int) -> tuple[RouteTable, list[Place]]:
    routes = [
        route(f"p{number % 20}", chat_id=str(-number - 1), **_extra(number))
        for number in range(size)
    ]
    step = max(1, size // 500)
    places = [Place("telegram", r.chat_id, r.thread_id, "u") for r in routes[::step]]
    return RouteTable.build(routes), places * (1 + 500 // len(places))


def _extra(number: int) -> dict[str, str]:
    return {"thread_id": str(number % 60)} if number % 2 else {}


def _median(size: int) -> float:
    table, places = _large(size)
    times = []
    for place in places:
        start = time.perf_counter_ns()
        table.match(place)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def test_matching_does_not_slow_down_with_the_table() -> None:
    """Ten routes against 100,000: at most twofold; here with room for a busy machine."""
    ratio = min(_median(100_000) / _median(10) for _ in range(3))
    assert ratio <= 3


def test_the_index_of_a_hundred_thousand_routes_is_built_within_three_seconds() -> None:
    routes = [route("p", chat_id=str(number)) for number in range(100_000)]
    start = time.process_time()
    RouteTable.build(routes)
    assert time.process_time() - start < 3
