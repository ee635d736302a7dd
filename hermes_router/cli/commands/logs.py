"""``hermes-router logs``: show the gateway's, the workers' and the profiles' logs as one."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NoReturn

from hermes_router.base.bounded import BoundedMap
from hermes_router.cli import parser as commands
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import GatewayHome, gateway_home
from hermes_router.cli.status import NEGATIVE, OK
from hermes_router.cli.terminal import columns, moments
from hermes_router.cli.terminal.output import (
    clean,
    flush,
    is_terminal,
    paint,
    say_command,
    tip,
    write,
)
from hermes_router.hermes.compat.secrets import hider
from hermes_router.observe.log_files import Follower, LogFile, log_files, read
from hermes_router.observe.log_lines import LEVELS, Entry
from hermes_router.profiles import model

_EPILOG = """\
It merges, in order of time, the gateway's log and each profile's worker log and agent.log.
It hides secrets as Hermes does in its logs.
Each line begins with its time, the turn, and who wrote it. In a pipe or a file, that is the
date too, career/worker or career/profile, and the level. On a terminal it is short: career/w
or career/p, a level above or below INFO only, and a line with the date where the day changes.

examples:
  hermes-router logs
  hermes-router logs career -f
  hermes-router logs --turn 1f0c2a9b
  hermes-router logs --since 10m --level warning
"""

_POLL_SECONDS = 0.25
_LOWEST = LEVELS[0]

#: By how much the times of one entry in two logs may differ, and how many entries are remembered.
_COPY_SECONDS, _REMEMBERED = 2.0, 1000

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}

#: How many columns of a terminal a profile's name gets, and how few a text is not broken into.
_NAME_COLUMNS, _NARROW = 10, 24


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "profile", nargs="?", metavar="PROFILE", help="only entries of this profile"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print new entries until Ctrl-C"
    )
    parser.add_argument("--turn", metavar="ID", help="all entries of one turn")
    moments.add_since_option(parser)
    parser.add_argument(
        "--level",
        type=str.upper,
        choices=LEVELS,
        default=_LOWEST,
        help="only this level and higher",
    )
    parser.add_argument(
        "-n", "--lines", type=int, default=100, help="the number of entries to begin with (100)"
    )
    commands.add_home_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(options: argparse.Namespace) -> int:
    """Print the entries; return the exit status."""
    home = gateway_home(options.home)
    if options.profile is not None:
        loading.want_known(options.profile, home)
    shower = _Shower(options)
    files = _files(home, options)
    if options.follow:
        _follow(home, options, shower, [Follower(file) for file in files])
    whole = _is_whole(options)
    count = shower.show(shower.first(entry for file in files for entry in read(file, whole=whole)))
    if not count:
        return _say_nothing(home, options)
    return OK


def _files(home: GatewayHome, options: argparse.Namespace) -> list[LogFile]:
    names = [options.profile] if options.profile else model.names(home.root)
    return log_files(home.path, home.root, names)


def _is_whole(options: argparse.Namespace) -> bool:
    """Return True if the options ask for more than the last lines of the logs."""
    return options.since is not None or options.turn is not None


def _follow(
    home: GatewayHome, options: argparse.Namespace, shower: _Shower, followers: list[Follower]
) -> NoReturn:
    """Print the entries that exist, then new ones, also of new profiles, until Ctrl-C."""
    whole = _is_whole(options)
    shower.show(shower.first(e for follower in followers for e in follower.begin(whole=whole)))
    while True:
        known = {follower.file for follower in followers}
        followers += [Follower(file) for file in _files(home, options) if file not in known]
        shower.show(shower.wanted(e for follower in followers for e in follower.poll()))
        flush()
        time.sleep(_POLL_SECONDS)


class _Shower:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._hide = hider()
        self._turns: set[str] = set()
        short = is_terminal(sys.stdout)
        self._copies = _Copies()
        self._lines = _ShortLines(options.profile) if short else _Lines()
        self._named = re.compile(rf"(?<![\w-]){re.escape(options.profile or '')}(?![\w-])")

    def first(self, found: Iterable[Entry]) -> list[Entry]:
        """Return the wanted ones of the entries that exist when the command starts.

        Only these are limited by ``--since`` and ``--lines``: new entries are new by any clock.
        """
        wanted, since = self.wanted(found), self._options.since
        if since is not None:
            wanted = [entry for entry in wanted if entry.time >= since.timestamp()]
        if _is_whole(self._options) or self._options.lines <= 0:
            return wanted
        return wanted[-self._options.lines :]

    def wanted(self, found: Iterable[Entry]) -> list[Entry]:
        """Return the entries that the options ask for, whatever their time, in its order."""
        # What Hermes prints of an entry comes after the entry, but perhaps in the same millisecond.
        ordered = sorted(found, key=lambda entry: (entry.time, entry.source == "worker"))
        ordered = [entry for entry in ordered if not self._copies.is_copy(entry)]
        self._turns.update(e.turn for e in ordered if e.turn and e.source != "gateway")
        return [entry for entry in ordered if self._is_wanted(entry)]

    def _is_wanted(self, entry: Entry) -> bool:
        options = self._options
        if not entry.at_least(options.level):
            return False
        if options.turn is not None:
            return bool(entry.turn == options.turn)
        if options.profile and entry.source == "gateway":
            return entry.turn in self._turns or bool(self._named.search(entry.first_line))
        return True

    def show(self, found: list[Entry]) -> int:
        """Print entries; return how many there were."""
        self._lines.make_room(found)
        for entry in found:
            text = self._hide("\n".join(entry.lines))
            if self._options.json:
                self._show_json(entry, text)
            else:
                self._lines.show(entry, text.split("\n"))
        return len(found)

    def _show_json(self, entry: Entry, text: str) -> None:
        import json  # noqa: PLC0415 - for this case only

        at = datetime.fromtimestamp(entry.time, UTC).astimezone().isoformat(timespec="milliseconds")
        fields = {"time": at, "source": entry.source, "profile": entry.profile or None}
        fields |= {"level": entry.level, "turn": entry.turn or None, "text": text}
        write(json.dumps(fields))


class _Copies:
    """Finds the warnings and errors that stand in two logs.

    Hermes in a worker writes them into the profile's agent.log and prints them, too.
    """

    def __init__(self) -> None:
        self._alone: BoundedMap[tuple[str, ...], Entry] = BoundedMap(_REMEMBERED)

    def is_copy(self, entry: Entry) -> bool:
        """Return True if the other log had the same entry before, as nearly at the same time."""
        if entry.source == "gateway" or not entry.at_least("WARNING"):
            return False
        text = _without_level(entry.first_line, entry.level)
        key = (entry.profile, entry.turn, entry.level, text)
        other = self._alone.get(key)
        if other is None or other.source == entry.source or self._apart(other, entry):
            self._alone[key] = entry
            return False
        return True

    def _apart(self, one: Entry, other: Entry) -> bool:
        return abs(one.time - other.time) > _COPY_SECONDS


class _Lines:
    """Prints entries as lines for a pipe or a file, with all that is known of each in its head.

    Each line of an entry, for example of its traceback, has the head of the entry.
    """

    def __init__(self) -> None:
        self._columns = 0

    def make_room(self, found: Iterable[Entry]) -> None:
        """Make the column with who wrote an entry wide enough for these entries."""
        self._columns = max([self._columns, *(len(self._who(entry)) for entry in found)])

    def show(self, entry: Entry, lines: list[str]) -> None:
        """Print an entry whose text is ``lines``."""
        at = datetime.fromtimestamp(entry.time, UTC).astimezone()
        head = f"{self._when(at)} {entry.turn or '-':8} {self._who(entry):{self._columns}}"
        begins = entry.lines[0] == entry.first_line
        for number, line in enumerate(lines):
            text = clean(line.replace("\x1b", "\\x1b")).rstrip()
            first = begins and number == 0
            self._write(head, entry, self._begun(entry, text) if first else text)

    def _who(self, entry: Entry) -> str:
        return entry.source if entry.source == "gateway" else f"{entry.profile}/{entry.source}"

    def _when(self, at: datetime) -> str:
        return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"

    def _begun(self, entry: Entry, text: str) -> str:
        """Return an entry's first line: the head says its level, so the text need not."""
        return _without_level(text, entry.level)

    def _write(self, head: str, entry: Entry, text: str) -> None:
        write(f"{head} {entry.level:7} {text}".rstrip())


class _ShortLines(_Lines):
    """Prints entries on a terminal: short heads, and long lines broken beside them.

    If all is about one profile, its name is left out.
    """

    def __init__(self, profile: str | None) -> None:
        super().__init__()
        self._profile = profile
        self._day = datetime.now(UTC).astimezone().date()

    def _who(self, entry: Entry) -> str:
        if entry.source == "gateway" or self._profile:
            return entry.source
        name, most = entry.profile, _NAME_COLUMNS
        return f"{name if len(name) <= most else f'{name[: most - 1]}…'}/{entry.source[0]}"

    def _when(self, at: datetime) -> str:
        if at.date() != self._day:
            self._day = at.date()
            write(paint(f"-- {self._day} --", "dim"))
        return f"{at:%H:%M:%S}"

    def _begun(self, entry: Entry, text: str) -> str:
        """Return an entry's first line, with its level if that is not the usual one."""
        level = "" if entry.level == "INFO" else f"{entry.level} "
        return f"{level}{_without_level(text, entry.level)}"

    def _write(self, head: str, entry: Entry, text: str) -> None:
        margin, style = " " * len(head), _STYLES.get(entry.level, "")
        room = columns.room() - len(margin) - 1
        lines = columns.broken(text, room) if room >= _NARROW else [text]
        for begin, line in zip([paint(head, "dim"), *[margin] * len(lines)], lines, strict=False):
            write(f"{begin} {paint(line, style)}".rstrip())


def _without_level(text: str, level: str) -> str:
    """Return a text without the level that it begins with: the head of its line says that."""
    rest = text.removeprefix(level)
    return rest.lstrip(" :") if rest != text and rest[:1] in {" ", ":"} else text


def _say_nothing(home: GatewayHome, options: argparse.Namespace) -> int:
    """Say why no entry is shown, and which command to run next; return the exit status."""
    if options.turn is not None:
        turns = home.router("turns")
        tip(f"no log has an entry of turn {options.turn}; to list the turns: {turns}")
        return NEGATIVE
    if options.json:
        return OK
    if filters := _filters(options):
        last = home.router(f"logs {options.profile}" if options.profile else "logs")
        say_command(f"no entry matches {filters}; to see the last ones:", last)
    else:
        run = home.hermes("gateway run")
        say_command("no entries yet; a running gateway writes the logs:", run)
    return OK


def _filters(options: argparse.Namespace) -> str:
    """Return the options that excluded entries, as on a command line."""
    given = {"--since": options.since is not None, "--level": options.level != _LOWEST}
    return " ".join(name for name, is_given in given.items() if is_given)
