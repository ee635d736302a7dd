"""A route is added or removed, and every other byte of the file stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.base.errors import ConfigError
from hermes_router.config.model import load
from hermes_router.config.route_edit import CannotEdit, read_with, with_route, without_route
from hermes_router.routing.table import Place

NESTED = """\
# mine
model:   {default: "x"}   # keep this
gateway:
  profile_routes:   # who answers
    telegram:
      "-100":
        6: career  # work
        # the last one
        7: kid

    discord:
      "55": kid
hermes_router:
  unmatched: deny
"""
LISTED = """\
gateway:
  profile_routes:
    - name: work
      platform: telegram
      profile: career
      chat_id: "-100"
      thread_id: "6"
    - {platform: telegram, profile: kid, chat_id: "-200"}
other: [1,  2]
"""
BARE = "model: {default: x}\n"
NO_ROUTES = "gateway:\n  other: 1\nlast: 2"


def place(text: str) -> Place:
    platform, chat, *thread = text.split(":")
    return Place(platform=platform, chat_id=chat, thread_id=thread[0] if thread else None)


@pytest.mark.parametrize("text", [NESTED, LISTED, BARE, NO_ROUTES, ""])
@pytest.mark.parametrize("where", ["telegram:-100:8", "telegram:-300", "slack:C1"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_only_lines_are_added(tmp_path: Path, text: str, where: str, ends: str) -> None:
    text = text.replace("\n", ends)
    new = with_route(text, place(where), "kid", read_with(load, tmp_path / "config.yaml"))
    left = iter(new.splitlines(keepends=True))
    for line in text.splitlines(keepends=True):  # all that was there is there, in its order
        assert any(line.rstrip("\r\n") == other.rstrip("\r\n") for other in left)
    assert new.count("\n") > text.count("\n")
    (tmp_path / "config.yaml").write_bytes(new.encode())
    decided = load(tmp_path / "config.yaml").decide(place(where))
    assert decided.profile == "kid"


@pytest.mark.parametrize("text", [NESTED, LISTED])
def test_what_was_added_can_be_removed_to_the_byte(tmp_path: Path, text: str) -> None:
    reader = read_with(load, tmp_path / "config.yaml")
    new = with_route(text, place("telegram:-100:8"), "kid", reader)
    [route] = [r for r in reader(new).table.routes if r.thread_id == "8"]
    assert without_route(new, route, reader) == text


@pytest.mark.parametrize("text", [NESTED, LISTED])
def test_each_route_can_be_removed(tmp_path: Path, text: str) -> None:
    reader = read_with(load, tmp_path / "config.yaml")
    for route in reader(text).table.routes:
        left = reader(without_route(text, route, reader)).table.routes
        assert len(left) == len(reader(text).table.routes) - 1


@pytest.mark.parametrize(
    "text",
    [
        "gateway: {profile_routes: {telegram: {'-100': {6: career}}}}\n",
        "gateway:\n  profile_routes:\n    telegram:\n      '-100': kid\n",
        "a: [\n",
        "gateway:\n  profile_routes: [\n  ]\n",
        "gateway: &x\nother: *x\n",
    ],
)
def test_what_is_not_certain_is_refused(tmp_path: Path, text: str) -> None:
    reader = read_with(load, tmp_path / "config.yaml")
    with pytest.raises(CannotEdit):
        with_route(text, place("telegram:-100:8"), "kid", reader)


def test_routes_in_a_file_of_their_own_stay_and_the_new_one_is_written_here(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text("telegram: {'-100': {6: career}}\n")
    text = "hermes_router: {routes_file: routes.yaml}\n"
    reader = read_with(load, tmp_path / "config.yaml")
    new = with_route(text, place("telegram:-100:8"), "kid", reader)
    assert [route.profile for route in reader(new).table.routes] == ["kid", "career"]
    assert new.startswith(text)
    [theirs] = [route for route in reader(new).table.routes if route.profile == "career"]
    with pytest.raises(CannotEdit, match=r"is written in .*/routes\.yaml:1:21"):
        without_route(new, theirs, reader)


def test_a_word_in_a_comment_keeps_no_route_out(tmp_path: Path) -> None:
    text = "# routes_file: may be set here\n"
    new = with_route(
        text, place("telegram:-100:8"), "kid", read_with(load, tmp_path / "config.yaml")
    )
    assert new.startswith(text)


def test_a_mistake_is_told_with_the_file_that_the_person_knows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"already on line 1") as caught:
        read_with(load, tmp_path / "config.yaml")("gateway: {}\ngateway: {}\n")
    assert caught.value.problems[0].file == str(tmp_path / "config.yaml")


NOTHING = ["", " null", " ~", " {}", "   # mine", " {}  # mine"]
NO_VALUE = {
    "gateway:EMPTY\nlast: 2\n": NOTHING,
    "a: 1\ngateway:EMPTY": NOTHING,
    "gateway:\n  profile_routes:EMPTY\n    # - a route\n  other: 1\n": [*NOTHING, " []"],
    "gateway:\n  profile_routes:\n    telegram:EMPTY\n    irc: {c: kid}\n": NOTHING,
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "empty"), [(text, empty) for text, words in NO_VALUE.items() for empty in words]
)
def test_a_route_is_written_below_a_key_that_has_no_value_yet(
    tmp_path: Path, text: str, empty: str, ends: str
) -> None:
    before = text.replace("EMPTY", empty).replace("\n", ends)
    reader = read_with(load, tmp_path / "config.yaml")
    new = with_route(before, place("telegram:-100:8"), "kid", reader)
    assert reader(new).decide(place("telegram:-100:8")).profile == "kid"
    assert new.count("\n") == new.count(ends)
    assert ("# mine" in new) == ("# mine" in before)
    left = [line.rstrip() for line in new.splitlines()]
    for line in text.replace("EMPTY", "").splitlines():
        assert any(line == other.replace("   # mine", "").rstrip() for other in left)
