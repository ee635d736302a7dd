"""The commands and their command lines; a command's module is imported only when it is used.

Each module has ``configure(parser)``, which describes its command line, and ``run(options)``, which
returns the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import re
import shutil
import textwrap
from collections.abc import Collection, Iterable
from types import ModuleType
from typing import Any, NoReturn

from hermes_router.cli.status import WRONG, CommandError
from hermes_router.cli.terminal import output

#: The name of each command, with one line about it. Its module has the same name, with underscores.
COMMANDS = {
    "init": "map the conversations that Hermes has seen to profiles, and enable the router",
    "test-route": "show who would answer a message, and why",
    "routes": "list the routes that are in force, or check a file",
    "route": "add a route to the gateway's configuration, or remove one",
    "status": "show what the router of the running gateway does now",
    "turns": "list the outcomes of the routed messages",
    "logs": "show the logs of the gateway, the workers and the profiles as one",
    "metrics": "print the running gateway's figures for Prometheus",
    "doctor": "check whether routed conversations can work",
    "enable": "enable the plugin in the gateway's configuration",
    "disable": "undo enable, and with --purge remove the router's files",
    "completion": "print a completion script for a shell",
}

_WIDEST = 100
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CONTINUED = " \\"  # the end of a line that a shell joins with the next one

_EPILOG = """examples:
  hermes-router test-route telegram:-1003961179976:6
  hermes-router routes
  hermes-router doctor
  hermes-router COMMAND --help

exit status: 0 yes or done, 1 no, 2 an error in the configuration or the command line,
3 the profile cannot answer, 4 a turn failed, 5 warnings only (doctor), 70 a bug,
130 interrupted
"""


class _Formatter(argparse.HelpFormatter):
    """Fits a help into the terminal: paragraphs are filled, and examples keep their lines.

    A help is at most 100 columns wide, also in a pipe. ``COLUMNS`` replaces the terminal's width.
    """

    def __init__(self, prog: str) -> None:
        columns = shutil.get_terminal_size((_WIDEST, 24)).columns
        super().__init__(prog, max_help_position=26, width=min(_WIDEST, columns))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = itertools.groupby(text.splitlines(), key=_kind_of_line)
        shown = (_filled(kind, list(lines), width) for kind, lines in blocks)
        return textwrap.indent("\n".join(itertools.chain.from_iterable(shown)), indent)

    def _format_usage(self, *args: Any, **kwargs: Any) -> str:
        """Return the usage; move its lines to the left if argparse's deep indent is too wide."""
        usage = super()._format_usage(*args, **kwargs)
        plain = _COLOURS.sub("", usage)  # argparse itself paints a usage since Python 3.14
        if all(len(line) <= self._width for line in plain.splitlines()):
            return usage
        return re.sub(r"^ +", "    ", usage, flags=re.MULTILINE)


def _kind_of_line(line: str) -> str:
    if not line.strip():
        return "blank"
    return "example" if line.startswith(" ") else "paragraph"


def _filled(kind: str, lines: list[str], width: int) -> Iterable[str]:
    if kind == "paragraph":
        return textwrap.wrap(" ".join(lines), width)
    return itertools.chain.from_iterable(_broken(line, width) for line in lines)


def _broken(line: str, width: int) -> list[str]:
    """Return an example on as many lines as it needs; a shell reads them as one command."""
    if len(line) <= width:
        return [line]
    margin = line[: len(line) - len(line.lstrip())]
    *parts, last = textwrap.wrap(
        line,
        width - len(_CONTINUED),
        subsequent_indent=f"{margin}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [*(f"{part}{_CONTINUED}" for part in parts), last]


class Parser(argparse.ArgumentParser):
    """A parser that reports errors like all our commands; options cannot be abbreviated."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Formatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str, hint: str = "") -> NoReturn:
        """Report a wrong command line on standard error, and exit with the status for it.

        It exits itself, because inside ``hermes`` nobody catches our errors.
        """
        output.complain(CommandError(message, hint=f"{hint}see {self.prog} --help"))
        self.exit(WRONG)

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Parse; refuse unknown arguments here, where the option that was meant is known."""
        options, rest = super().parse_known_args(*args, **kwargs)
        if rest:
            hint = _guess(rest[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(rest)}", hint)
        return options, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            message = f"invalid choice: {value!r} (choose from {', '.join(choices)})"
            self.error(message, _guess(str(value), choices))


def _guess(word: str, words: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - for an error only

    close = difflib.get_close_matches(word.partition("=")[0].lower(), list(words), n=1, cutoff=0.7)
    return f"did you mean {close[0]}? " if close else ""


def build_parser(wanted: Collection[str] = COMMANDS) -> Parser:
    """Return the parser of ``hermes-router``.

    Only commands in ``wanted`` get their options: to describe a command's options imports its
    module.
    """
    parser = Parser(
        prog="hermes-router",
        description="Each routed conversation of a Hermes gateway is answered by a process of its "
        "own profile.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print versions and exit")
    add_commands(parser, wanted)
    return parser


def add_commands(parser: argparse.ArgumentParser, wanted: Collection[str] = COMMANDS) -> None:
    """Add the commands to our own parser, or to the parser of ``hermes router``.

    ``wanted`` is as for :func:`build_parser`.
    """
    commands = parser.add_subparsers(
        title="commands", dest="router_command", metavar="COMMAND", parser_class=Parser
    )
    for name, summary in COMMANDS.items():
        child = commands.add_parser(name, help=summary, description=f"{_sentence(summary)}.")
        if name in wanted:
            module(name).configure(child)


def add_to_hermes(parser: argparse.ArgumentParser) -> None:
    """Add all commands and their options to ``parser``, Hermes's parser of ``hermes router``."""
    parser.formatter_class = _Formatter
    parser.epilog = _EPILOG.replace("hermes-router ", "hermes router ")
    add_commands(parser)
    parser.set_defaults(router_help=parser.print_help)


def run_command(options: argparse.Namespace) -> int:
    """Run the command that the options name; return its exit status.

    A command's exceptions are not caught here: :func:`hermes_router.cli.entry.guarded` turns them
    into messages.
    """
    status: int = module(options.router_command).run(options)
    return status


def module(command: str) -> ModuleType:
    """Import the module of a command, such as ``test-route``, and return it."""
    return importlib.import_module(f"hermes_router.cli.commands.{command.replace('-', '_')}")


def add_home_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--home``, for commands that read a gateway's files."""
    parser.add_argument(
        "--home",
        metavar="DIR",
        help="the Hermes home of the gateway (default: HERMES_HOME, else ~/.hermes and the "
        "profile that `hermes profile use` made active)",
    )


def add_offline_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--offline``, for commands that ask what the gateway does."""
    parser.add_argument(
        "--offline", action="store_true", help="read files only, do not look at the running gateway"
    )


def add_verbose_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``-v``."""
    parser.add_argument("-v", "--verbose", action="store_true", help=what)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON; docs/cli.md describes it")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
