"""docs/cli.md shows the options that the commands have, and its links lead to its headings."""

from __future__ import annotations

import re

import pytest

from hermes_router.cli.parser import COMMANDS, build_parser
from tests.tools.cli_page import PAGE, with_commands

TEXT = PAGE.read_text("utf-8")
HOW = "run: python -m tests.tools.cli_page"

#: A line that opens a block of code for the site's Markdown: a language, or braces with more.
_FENCE = re.compile(r"```(?:[a-z]*|\{[^{}]+\})")


def _without_code(page: str) -> str:
    """Return the page without its blocks of code, as the site's Markdown sees them."""
    return re.sub(r"^```(?:[a-z]*|\{[^{}]+\})\n.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def _anchor(heading: str) -> str:
    """Return the id that the site gives a heading."""
    words = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    return re.sub(r"[-\s]+", "-", words)


def test_the_options_on_the_page_are_the_parsers() -> None:
    assert with_commands(TEXT) == TEXT, HOW


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_is_in_the_commands_own_part(command: str) -> None:
    part = TEXT.partition(f"<!-- {command}: written by")[2].partition(f"<!-- end of {command}")[0]
    [commands] = (action for action in build_parser()._actions if action.choices)
    assert isinstance(commands.choices, dict)
    parser = commands.choices[command]
    options = {name for name in parser._option_string_actions if name not in {"-h", "--help"}}
    assert {name for name in options if f"`{name}" not in part} == set()
    assert f"```text\nhermes-router {command}" in part
    assert f"\n## {command}\n" in TEXT.partition(part)[0]


def test_a_new_option_makes_the_page_old(monkeypatch: pytest.MonkeyPatch) -> None:
    from hermes_router.cli.commands import status

    described = status.configure

    def configure(parser: object) -> None:
        described(parser)  # type: ignore[arg-type]
        parser.add_argument("--lately", help="new")  # type: ignore[attr-defined]

    monkeypatch.setattr(status, "configure", configure)
    assert "| `--lately LATELY` | new |" in with_commands(TEXT)


def test_a_page_without_the_part_of_a_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="the part of routes"):
        with_commands(TEXT.replace("<!-- end of routes -->", ""))


def test_each_block_of_code_opens_as_the_site_understands_it() -> None:
    opened = re.findall(r"^```.*$", TEXT, re.MULTILINE)[::2]
    assert [line for line in opened if not _FENCE.fullmatch(line)] == []


def test_each_link_within_the_page_leads_to_a_heading() -> None:
    prose = _without_code(TEXT)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    linked = set(re.findall(r"\]\(#([^)]+)\)", prose))
    assert linked - {_anchor(heading) for heading in headings} == set()
    assert set(COMMANDS) <= linked
