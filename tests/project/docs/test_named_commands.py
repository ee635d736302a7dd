"""The router's commands that the pages name exist, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hermes_router.cli.parser import COMMANDS, build_parser
from hermes_router.hermes.features import router_command

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_IN_TEXT = re.compile(r"(?<!`)`hermes[- ]router\s([^`]+)`(?!`)")
_BLOCK = re.compile(r"^```[^\n]*\n(?:.*?\n)??```$|^ {4}[^\n]+$", re.MULTILINE | re.DOTALL)
_IN_BLOCK = re.compile(r"^\s*(?:\$ )?hermes[- ]router (.+)$", re.MULTILINE)


def commands_of(page: Path) -> list[list[str]]:
    """Return the words of each command line of ours that a page names, without the program's name.

    Left out are those that say how a command line is put together: they have dots or brackets.
    """
    text = page.read_text("utf-8")
    blocks = "\n".join(_BLOCK.findall(text))
    found = [*_IN_TEXT.findall(text), *_IN_BLOCK.findall(blocks)]
    return [shlex.split(one, comments=True) for one in found if not re.search(r"\.{3}|[\[{]", one)]


def can_be_given(words: list[str]) -> bool:
    """Return True if the command line has no mistake; a command's name alone stands for it."""
    if len(words) == 1 and words[0] in COMMANDS:
        return True
    try:
        build_parser().parse_args(words)
    except SystemExit as ended:
        return not ended.code
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_that_a_page_names_can_be_given(page: Path) -> None:
    assert [words for words in commands_of(page) if not can_be_given(words)] == []


@pytest.mark.parametrize("words", ["statu", "turns --fail", "logs --turn", "init --lists"])
def test_a_command_with_a_mistake_is_found(words: str) -> None:
    assert not can_be_given(words.split())


@pytest.mark.parametrize(
    "words",
    ["doctor", "status", "turns --failed --since 2h", "logs --turn ID"],
)
def test_the_page_of_symptoms_names_the_commands_that_look(words: str) -> None:
    assert words.split() in commands_of(ROOT / "docs" / "troubleshooting.md")


def test_the_page_of_ids_names_the_ways_that_need_no_search() -> None:
    page = ROOT / "docs" / "ids.md"
    assert ["init", "--list"] in commands_of(page)
    assert f"`/{router_command.NAME}`" in page.read_text("utf-8")


def test_the_page_about_operating_says_how_to_find_a_turn_without_its_id() -> None:
    assert ["turns", "--failed"] in commands_of(ROOT / "docs" / "operating.md")
