"""Our answer and Hermes's own, for the list form; senders, bots and people on WhatsApp where Hermes
knows them.

The documented differences are asserted, not skipped: routes that name the same discriminators are
refused here; a route on the chat beats one on its parent; ``general`` means a topic on Telegram.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_router.config.diagnostics import Report
from hermes_router.config.routes import RouteReader
from hermes_router.config.yaml import parse
from hermes_router.hermes.compat.events import place_to_route
from hermes_router.routing.table import DISCRIMINATORS, Place, Route, RouteTable
from hermes_router.routing.whatsapp import same_for_all

upstream = pytest.importorskip("gateway.profile_routing")

NEWER = "user_id" in upstream.ProfileRoute.__dataclass_fields__
"""Whether the installed Hermes knows senders and bots in routes, and numbers as ids."""

KNOWS_PEOPLE = hasattr(upstream, "expand_whatsapp_aliases") or hasattr(
    upstream, "_whatsapp_user_chat_ids_match"
)
"""Whether the installed Hermes's matcher knows that a person has several ids on WhatsApp."""

PEOPLE = ["491", "+491", "491@s.whatsapp.net", "491:7@s.whatsapp.net", "77@lid", "492", "1@g.us"]
"""Ids of two people and a group on WhatsApp. Its bridge has learned that 77 is 491."""

IDS = ["1", "2", "-1003961179976", "#room:server"]
maybe_id = st.none() | st.sampled_from(IDS)
platforms = st.sampled_from(["telegram", "Discord", "IRC"])

entries = st.lists(
    st.fixed_dictionaries(
        {"platform": platforms, "profile": st.sampled_from(["a", "Career", "c_3", "default"])},
        optional={
            "name": st.text("xyz", max_size=2),
            "guild_id": st.sampled_from([*IDS, 1, 2]),
            "chat_id": st.sampled_from([*IDS, -1003961179976, 1]),
            "thread_id": st.sampled_from([*IDS, 1, 2]),
            "enabled": st.booleans(),
        }
        | (
            {
                "user_id": st.sampled_from([*IDS, 1, 2]),
                "bot_profile": st.sampled_from(["default", "a", "c_3"]),
            }
            if NEWER
            else {}
        ),
    ),
    max_size=8,
)
places = st.builds(
    Place,
    platform=platforms.map(str.lower),
    chat_id=maybe_id,
    thread_id=maybe_id,
    guild_id=maybe_id,
    parent_chat_id=maybe_id,
    user_id=maybe_id,
    bot=st.sampled_from([None, "a", "c_3"]) if NEWER else st.none(),
)


people = st.sampled_from(PEOPLE)
chats = st.lists(
    st.fixed_dictionaries(
        {"platform": st.sampled_from(["whatsapp", "WhatsApp_Cloud"]), "profile": st.just("a")},
        optional={"chat_id": people, "thread_id": st.just("1")}
        | ({"user_id": people} if NEWER else {}),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home whose WhatsApp bridge has learned a number."""
    home = tmp_path_factory.mktemp("home")
    learned = home / "platforms" / "whatsapp" / "session"
    learned.mkdir(parents=True)
    (learned / "lid-mapping-491.json").write_text('"77"')
    (learned / "lid-mapping-77_reverse.json").write_text('"491"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HERMES_HOME", str(home))
        yield


def ours(raw: list[dict[str, Any]]) -> list[Route]:
    reader = RouteReader(Report("config.yaml"))
    node = parse(yaml.safe_dump(raw), "config.yaml")
    assert node is not None
    reader.read(node, "profile_routes")
    assert reader.report.problems == []
    return reader.routes


def coerced(raw: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do by hand what our reader does: Hermes compares ids and platforms as they are."""
    return [
        {
            key: str(value) if key.endswith("_id") else value
            for key, value in {**entry, "platform": entry["platform"].lower()}.items()
        }
        for entry in raw
    ]


def identity(route: Any) -> tuple[Any, ...]:
    newer = (route.user_id, route.bot_profile) if NEWER else ()
    return (route.platform, route.guild_id, route.chat_id, route.thread_id, route.profile, *newer)


def theirs(raw: list[dict[str, Any]], place: Place) -> Any:
    return upstream.match_profile_route(
        upstream.parse_profile_routes(coerced(raw)),
        platform=place.platform,
        guild_id=place.guild_id,
        chat_id=place.chat_id,
        thread_id=place.thread_id,
        parent_chat_id=place.parent_chat_id,
        **({"user_id": place.user_id, "adapter_profile": place.bot} if NEWER else {}),
    )


@settings(max_examples=600, deadline=None)
@given(entries, st.lists(places, min_size=1, max_size=8))
def test_our_answer_is_that_of_hermes(raw: list[dict[str, Any]], where: list[Place]) -> None:
    routes = ours(raw)
    table, problems = RouteTable.index(routes)
    assert bool(problems) == _some_meet(routes)
    if problems:
        return
    for place in where:
        match, expected = table.match(place), theirs(raw, place)
        if expected is None:
            assert match is None
            continue
        assert match is not None
        if identity(match.route) != identity(expected):
            _is_the_documented_difference(match.route, expected, place)


def _some_meet(routes: list[Route]) -> bool:
    live = [
        (route.platform, route.bot_profile, *(_named(route, field) for field in DISCRIMINATORS))
        for route in routes
        if route.enabled
    ]
    return len(set(live)) < len(live)


def _named(route: Route, field: str) -> Any:
    value = getattr(route, field)
    return same_for_all(route.platform, value) if value and field == "chat_id" else value


@pytest.mark.usefixtures("bridge")
@settings(max_examples=200, deadline=None)
@given(chats, st.sampled_from(["whatsapp", "whatsapp_cloud"]), people, people, st.booleans())
def test_our_answer_on_whatsapp_is_that_of_hermes(
    raw: list[dict[str, Any]], platform: str, chat: str, user: str, thread: bool
) -> None:
    names = [{**entry, "profile": f"p{number}"} for number, entry in enumerate(raw)]
    table, problems = RouteTable.index(ours(names))
    assert bool(problems) == _some_meet(list(table.routes))
    source = SimpleNamespace(
        platform=SimpleNamespace(value=platform),
        chat_id=chat,
        thread_id="1" if thread else None,
        user_id=user,
    )
    place = place_to_route(source)
    match, expected = table.match(place), theirs(names, place)
    if problems or not KNOWS_PEOPLE or _two_ids_of_one_person(table.routes, place):
        return
    assert (match and match.profile) == (expected and expected.profile)


def _two_ids_of_one_person(routes: tuple[Route, ...], place: Place) -> bool:
    """Say whether two equal routes name the person: the first there, the id of the message here."""
    alike = {
        same_for_all(place.platform, known) for known in (place.chat_id, *place.aliases) if known
    }
    named = [
        (route.specificity, route.thread_id, route.user_id, route.platform)
        for route in routes
        if _named(route, "chat_id") in alike
    ]
    return len(set(named)) < len(named)


@pytest.mark.usefixtures("bridge")
@pytest.mark.parametrize("named", PEOPLE[:5])
@pytest.mark.parametrize("written", PEOPLE[:5])
def test_a_route_names_a_person_on_whatsapp_by_any_id(named: str, written: str) -> None:
    table = RouteTable.build([Route(platform="whatsapp", chat_id=named, profile="a")])
    source = SimpleNamespace(
        platform=SimpleNamespace(value="whatsapp"), chat_id=written, user_id=written
    )
    assert table.match(place_to_route(source)) is not None
    for other in ("492", "1@g.us"):
        source.chat_id = other
        assert table.match(place_to_route(source)) is None


def test_two_routes_that_name_one_person_on_whatsapp_conflict() -> None:
    raw = [
        {"platform": "whatsapp", "chat_id": "+491", "profile": "a"},
        {"platform": "whatsapp", "chat_id": "491@s.whatsapp.net", "profile": "b"},
    ]
    _, problems = RouteTable.index(ours(raw))
    assert [problem.code for problem in problems] == ["conflict"]


def _is_the_documented_difference(mine: Route, their: Any, place: Place) -> None:
    """One names the chat, the other its parent: file order there, the chat itself here."""
    assert mine.specificity == their.specificity
    assert mine.chat_id == place.chat_id
    assert their.chat_id == place.parent_chat_id != place.chat_id


@given(entries)
def test_our_specificity_orders_routes_as_that_of_hermes(raw: list[dict[str, Any]]) -> None:
    parsed = upstream.parse_profile_routes(coerced(raw))
    assert [identity(route) for route in RouteTable.index(ours(raw))[0].routes] == [
        identity(route) for route in parsed
    ]


def test_difference_a_chat_beats_its_parent_here_and_the_first_in_the_file_there() -> None:
    raw = [
        {"platform": "discord", "chat_id": "parent", "profile": "a"},
        {"platform": "discord", "chat_id": "child", "profile": "b"},
    ]
    place = Place("discord", chat_id="child", parent_chat_id="parent")
    match = RouteTable.build(ours(raw)).match(place)
    assert match is not None
    assert (match.profile, theirs(raw, place).profile) == ("b", "a")
    assert theirs(raw[::-1], place).profile == "b"


def test_difference_equal_routes_are_refused_here_and_the_first_wins_there() -> None:
    raw = [{"platform": "irc", "chat_id": "#c", "profile": name} for name in ("a", "b")]
    _, problems = RouteTable.index(ours(raw))
    assert [problem.code for problem in problems] == ["conflict"]
    assert theirs(raw, Place("irc", "#c")).profile == "a"


def test_difference_general_is_a_topic_here_and_a_literal_id_there() -> None:
    raw = [{"platform": "telegram", "chat_id": "-1", "thread_id": "general", "profile": "a"}]
    table = RouteTable.build(ours(raw))
    for thread in (None, "1"):
        assert table.match(Place("telegram", "-1", thread)) is not None
        assert theirs(raw, Place("telegram", "-1", thread)) is None


def test_difference_what_hermes_does_not_read_never_widens_a_route_here() -> None:
    """``user_id`` is unknown to Hermes 0.19: the route would catch the whole platform."""
    raw = [{"platform": "telegram", "user_id": "7", "profile": "a"}]
    table = RouteTable.build(ours(raw))
    assert table.match(Place("telegram", "-1", user_id="8")) is None
    there = theirs(raw, Place("telegram", "-1", user_id="8"))
    assert there is None if NEWER else there.profile == "a"


def test_difference_ids_without_quotes_and_capitals_match_here_only() -> None:
    raw = [{"platform": "Discord", "chat_id": 5, "profile": "a"}]
    place = Place("discord", "5")
    assert RouteTable.build(ours(raw)).match(place) is not None
    assert (
        upstream.match_profile_route(
            upstream.parse_profile_routes(raw), platform="discord", chat_id="5"
        )
        is None
    )


@pytest.mark.parametrize(
    ("entry", "code", "matches_there"),
    [
        ({"platform": "irc", "profile": "a", "enabled": "false"}, "type", True),
        ({"platform": "irc", "profile": "a", "chat": "#c"}, "unknown-key", True),
        ({"platform": "irc", "profile": "../a"}, "profile-name", False),
        ({"platform": "irc", "profile": ""}, "profile-name", False),
        ({"profile": "a"}, "missing-key", False),
    ],
)
def test_difference_what_hermes_widens_or_drops_is_an_error_here(
    entry: dict[str, Any], code: str, *, matches_there: bool
) -> None:
    reader = RouteReader(Report("config.yaml"))
    node = parse(yaml.safe_dump([entry]), "config.yaml")
    assert node is not None
    reader.read(node, "profile_routes")
    assert [problem.code for problem in reader.report.problems] == [code]
    routes = upstream.parse_profile_routes([entry])
    there = upstream.match_profile_route(routes, platform="irc", chat_id="#other")
    assert (there is not None) == matches_there
