"""An edit of the routes changes no end of a line, also where a file mixes them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hermes_router.config.model import load
from hermes_router.config.route_edit import read_with, with_route, without_route
from hermes_router.routing.table import Place

TEXT = """\
# mine
gateway:
  profile_routes:
    telegram:
      "-100":
        6: career
        7: kid

last: 1
"""
ROUTES_LAST = "last: 1\ngateway:\n  profile_routes:\n    telegram:\n      '-100':\n        6: kid\n"
NEW = Place(platform="telegram", chat_id="-100", thread_id="8")
PATTERNS = ("L", "C", "LC", "CL", "CLL")
"""Which ends the lines have, one after the other: L is a line feed, C is CR and a line feed."""


def mixed(text: str, pattern: str) -> str:
    """Return the text with the ends of a pattern, repeated until the text is over."""
    kinds = {"L": "\n", "C": "\r\n"}
    ends = itertools.cycle(kinds[letter] for letter in pattern)
    return "".join(map("".join, zip(text.splitlines(), ends, strict=False)))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("last_line_ends", [True, False])
@pytest.mark.parametrize("text", [TEXT, ROUTES_LAST])
def test_adding_and_removing_a_route_keeps_every_other_byte(
    tmp_path: Path, text: str, pattern: str, last_line_ends: bool
) -> None:
    before = mixed(text, pattern)
    before = before if last_line_ends else before.rstrip("\r\n")
    reader = read_with(load, tmp_path / "config.yaml")
    after = with_route(before, NEW, "kid", reader)
    [route] = [route for route in reader(after).table.routes if route.thread_id == "8"]
    assert without_route(after, route, reader) == before


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_added_line_ends_as_the_line_above(tmp_path: Path, pattern: str) -> None:
    before = mixed(TEXT, pattern).splitlines(keepends=True)
    after = with_route(
        "".join(before), NEW, "kid", read_with(load, tmp_path / "config.yaml")
    ).splitlines(True)
    [added] = [number for number, line in enumerate(after) if "8" in line]
    above = after[added - 1]
    assert after[added].endswith("\r\n") == above.endswith("\r\n")
    assert after[:added] + after[added + 1 :] == before


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_removed_route_takes_only_its_own_line(tmp_path: Path, pattern: str) -> None:
    before = mixed(TEXT, pattern)
    reader = read_with(load, tmp_path / "config.yaml")
    [route] = [route for route in reader(before).table.routes if route.thread_id == "6"]
    lines = before.splitlines(keepends=True)
    del lines[route.line - 1]
    assert without_route(before, route, reader) == "".join(lines)
