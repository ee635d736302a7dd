"""Which commands the menu of a chat offers."""

from __future__ import annotations

from pathlib import Path

from hermes_router.config.model import RouterConfig
from hermes_router.config.reader import Unmatched
from hermes_router.relay.menus import MOST, Menus, answering, union, usable
from hermes_router.routing.table import Place, Route, RouteTable

CORE = [("help", "Help"), ("new", "New")]


def own(*names: str) -> list[tuple[str, str]]:
    return [*CORE, *((name, f"the skill {name}") for name in names)]


def names(commands: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in commands]


def config(*routes: Route, default: str = "default") -> RouterConfig:
    table = RouteTable.build(routes)
    return RouterConfig(path=Path("x"), table=table, unmatched=Unmatched(default=default))


def who(routes: RouterConfig, chat: str, *met: Place) -> list[tuple[str, str | None]]:
    return [(d.action, d.profile) for d in answering(routes, "telegram", chat, met)]


def test_one_profiles_menu_is_its_own_list_as_far_as_there_is_room() -> None:
    listed = own("b", "a", "c")
    assert union([listed], 60) == listed
    assert names(union([listed], 4)) == ["help", "new", "b", "a"]
    assert union([], 60) == []


def test_profiles_of_one_chat_share_the_room_by_turns() -> None:
    both = union([own("a1", "a2", "a3"), own("b1", "b2")], 60)
    assert names(both) == ["help", "new", "a1", "b1", "a2", "b2", "a3"]
    assert names(union([own("a1", "a2", "a3"), own("b1", "b2")], 4)) == ["help", "new", "a1", "b1"]


def test_what_all_have_comes_once_with_the_first_ones_words() -> None:
    other = [("help", "Other words"), ("new", "New"), ("b", "x")]
    assert union([own("a"), other], 60)[0] == ("help", "Help")


def test_what_a_worker_says_is_only_words_and_lines() -> None:
    said = [
        ("fine", " two\n lines "),
        ("fine", "twice"),
        ("Bad Name", "x"),
        ("../x", "x"),
        ("", "x"),
        ("esc", "a\x1b[2J"),
        ("plain", ""),
        ("long", "x" * 999),
    ]
    assert usable(said) == [("fine", "two lines"), ("plain", "plain"), ("long", "x" * 256)]
    assert len(usable((f"s{number}", "x") for number in range(500))) == MOST


def test_a_chat_is_answered_by_its_routes_and_by_who_gets_the_rest() -> None:
    topic = Route(platform="telegram", profile="career", chat_id="-1", thread_id="6")
    off = Route(platform="telegram", profile="off", chat_id="-1", thread_id="7", enabled=False)
    elsewhere = Route(platform="telegram", profile="systems", chat_id="-2")
    routes = config(topic, off, elsewhere)
    assert who(routes, "-1") == [("in_process", None), ("worker", "career")]
    assert who(routes, "-2") == [("worker", "systems")]
    assert who(routes, "-3") == [("in_process", None)]
    assert who(config(topic, default="deny"), "-1") == [("worker", "career")]


def test_who_has_been_met_counts_where_no_route_names_the_chat() -> None:
    routes = config(Route(platform="telegram", profile="kids", user_id="7"))
    assert who(routes, "7") == [("worker", "kids")]  # a direct chat has its person's id
    met = Place("telegram", "-1", None, "7")
    assert who(routes, "-1", met) == [("in_process", None), ("worker", "kids")]


def test_what_is_known_outlives_the_gateway(tmp_path: Path) -> None:
    file = tmp_path / "hermes-router" / "menus.json"
    menus = Menus(file)
    menus.offer("career", "telegram", "v1", own("a"))
    menus.remember("telegram", "-1", "name")
    menus.remember("telegram", "-2", "gone")
    menus.remember("telegram", "-2", None)
    again = Menus(file)
    offered = again.offered("career", "telegram")
    assert offered is not None
    assert (offered.of, offered.commands) == ("v1", own("a"))
    assert again.chats() == [("telegram", "-1")]
    assert again.offered("systems", "telegram") is None


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "menus.json"
    file.write_text('{"offered": 3}')
    assert Menus(file).chats() == []
