"""`python -m tests.tools.cli_page`: write each command's synopsis and options into docs/cli.md.

They come from the parsers of the commands. Each part stands between two comments that name the
command. The text around these parts is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.parser import COMMANDS, build_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_BEGIN = "<!-- {command}: written by `python -m tests.tools.cli_page` -->\n"
_END = "<!-- end of {command} -->\n"
_WIDTH = 84


def with_commands(page: str) -> str:
    """Return the page's text with the part of each command as it must be.

    Raises:
        ValueError: the page has no place for the part of a command.
    """
    for command, parser in _parsers().items():
        begin, end = _BEGIN.format(command=command), _END.format(command=command)
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"docs/cli.md lacks the comments around the part of {command}")
        page = f"{head}{begin}\n{_part(parser)}\n{end}{tail}"
    return page


def _parsers() -> dict[str, argparse.ArgumentParser]:
    [commands] = (action for action in build_parser()._actions if action.choices)
    assert isinstance(commands.choices, dict)
    assert list(commands.choices) == list(COMMANDS)
    return commands.choices


def _part(parser: argparse.ArgumentParser) -> str:
    """Return the synopsis of a command as a block of code, and a table of its arguments."""
    rows = [("argument", "what it is"), ("---", "---")]
    rows += [(_spelled(action), _about(parser, action)) for action in _arguments(parser)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"```text\n{_synopsis(parser)}\n```\n\n{table}"


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return what a person may write, without ``--help``; words without a dash come first."""
    actions = [action for action in parser._actions if action.dest != "help"]
    return sorted(actions, key=lambda action: bool(action.option_strings))


def _synopsis(parser: argparse.ArgumentParser) -> str:
    """Return a command's line with all its arguments, broken between arguments only."""
    indent = " " * (len(parser.prog) + 1)
    # A space within an argument must not be a place for a new line.
    joined = " ".join(part.replace(" ", "\0") for part in _parts(parser))
    lines = textwrap.wrap(
        joined, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False
    )
    return f"\n{indent}".join([f"{parser.prog} {lines[0]}", *lines[1:]]).replace("\0", " ")


def _parts(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield each argument as a synopsis shows it; options that exclude each other are one part."""
    groups = [group._group_actions for group in parser._mutually_exclusive_groups]
    told: list[argparse.Action] = []
    for action in _arguments(parser):
        if action not in told:
            together = next((group for group in groups if action in group), [action])
            told += together
            shown = " | ".join(_short(one) for one in together)
            needed = together == [action] and (action.required or not action.option_strings)
            yield shown if needed and action.nargs != "?" else f"[{shown}]{_repeated(action)}"


def _repeated(action: argparse.Action) -> str:
    return "..." if isinstance(action, argparse._AppendAction) else ""


def _short(action: argparse.Action) -> str:
    return " ".join(filter(None, (*action.option_strings[:1], _value(action))))


def _value(action: argparse.Action) -> str:
    """Return the word for an argument's value; "" if it has none."""
    if action.nargs == 0:
        return ""
    word = action.metavar or action.dest.upper()
    if action.metavar is None and action.choices:
        word = f"{{{','.join(map(str, action.choices))}}}"
    return f"[{word}]" if action.nargs == "?" and action.option_strings else str(word)


def _spelled(action: argparse.Action) -> str:
    """Return all spellings of an argument, the long one last and with its value."""
    *others, last = sorted(action.option_strings, key=len) or [""]
    shown = " ".join(filter(None, (last, _value(action))))
    return ", ".join(f"`{name}`" for name in (*others, shown))


def _about(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    return re.sub(r"([|<])", r"\\\1", text)


def main() -> int:
    """Write the parts."""
    PAGE.write_text(with_commands(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
