"""Write answers to standard output, errors to standard error, with colour on terminals.

Colour is off if NO_COLOR is set to anything, if TERM is ``dumb``, and in files and pipes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec

from hermes_router.base.errors import ConfigError, Problem, RouterError
from hermes_router.cli.status import NO_OUTPUT, CommandError
from hermes_router.cli.terminal import columns

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SEVERITIES = {
    "error": "red",
    "unusable": "red",
    "warning": "yellow",
    "info": "cyan",
    "ok": "green",
}


#: Prose is not broken if fewer columns than these are left for it.
_NARROW = 24

#: Finds one of our commands in a hint, with the command's first word.
_OWN_COMMAND = re.compile(
    r"\bhermes-router (--?[a-z-]+|completion|disable|doctor|enable|init|logs|metrics|routes?|status"
    r"|test-route|turns)\b"
)

#: What stands between two steps of a fix; how a step begins that is a command or a line of YAML.
_BETWEEN_STEPS = re.compile(r"(?<=[;:]) (?![\[{])")
_COMMAND = re.compile(
    r"(HERMES_HOME=\S+ )?(hermes|hermes-router|chmod|chown|mount|mv|rm|pip|uv|\S*python\S*|/\S+) "
    r"|\w+: [\[{]"
)

#: The name under which the user started this command, unless it is ``hermes-router``.
_names: list[str] = []


def prepare() -> None:
    """Make standard output write a character that its encoding lacks as a visible escape.

    Without this, to write such a character would raise an error.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def write(text: str, end: str = "\n") -> None:
    """Write a text, and ``end`` behind it, to standard output, unchanged.

    Raises:
        CommandError: the text cannot be written, for example because the disk is full.
        BrokenPipeError: the reader of the output has ended.
    """
    try:
        print(text, end=end)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from error


def flush() -> None:
    """Write out what is still buffered; do nothing if standard output is closed.

    Raises:
        CommandError: the text cannot be written.
        BrokenPipeError: the reader of the output has ended.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from error


def write_no_more() -> None:
    """Send all further output nowhere, after the reader of the output has ended.

    Otherwise Python would fail again when it exits and flushes.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unwritable(error: OSError) -> CommandError:
    write_no_more()
    return CommandError(f"the output cannot be written: {error.strerror}", status=NO_OUTPUT)


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return ``text`` in a style if ``stream`` (by default standard output) shows colours."""
    if not text or style not in _CODES or not shows_colour(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def severity(word: str, stream: TextIO | None = None) -> str:
    """Return a severity's word, such as ``error``, in its colour if ``stream`` shows colours."""
    return paint(word, _SEVERITIES.get(word, ""), stream)


def counted(count: int, word: str) -> str:
    """Return a number with its noun, such as ``1 route`` or ``2 routes``; ``word`` is singular."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def say(text: str = "") -> None:
    """Write a line of the command's answer to standard output, without control characters."""
    write(clean(text))


def say_file(text: str) -> None:
    """Write the text of a file: as it is, but on a terminal without control characters."""
    if is_terminal(sys.stdout):
        say(text.removesuffix("\n"))
    else:
        write(text, end="")


def say_prose(head: str, prose: str) -> None:
    """Write words for people after ``head``; on a terminal, break them where its lines end.

    Further lines begin below the first word. A command or a path that somebody may copy is written
    with :func:`say`.
    """
    for line in _broken(head, prose, sys.stdout):
        write(line)


def say_command(prose: str, command: str) -> None:
    """Write words for people and the command that they announce.

    On a terminal without room for both, the command is a line of its own, so that it stays whole.
    """
    whole = f"{prose} {command}"
    if not is_terminal(sys.stdout) or _width(whole) <= columns.room():
        say(whole)
        return
    say_prose("", prose)
    say(f"  {command}")


def say_steps(head: str, steps: str) -> None:
    """Write after ``head`` what to do: words for people and commands, apart by ``: `` or ``; ``.

    On a terminal without room for all of it, words are broken as :func:`say_prose` breaks them.
    Each command, and each line of YAML to be written, is a line of its own, so that it stays whole.
    """
    for line in _stepped(head, steps, sys.stdout):
        write(line)


def say_fields(
    fields: Iterable[tuple[str, str]], indent: str = "  ", *, prose: bool = False
) -> None:
    """Write ``name  value`` lines, the values in one column.

    With ``prose``, those that have a name are broken as :func:`say_prose` breaks them.
    """
    shown = [(name, value) for name, value in fields if value]
    longest = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        if prose and name:
            say_prose(f"{indent}{paint(name.ljust(longest), 'dim')}  ", one_line(value))
            continue
        say(f"{indent}{paint(name.ljust(longest), 'dim')}  {one_line(value)}".rstrip())


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns; each column is as wide as its widest cell.

    If the terminal is too narrow for that, or this Python has no rich, each row becomes several
    lines.
    """
    cells = [[one_line(clean(cell)) for cell in row] for row in rows]
    drawn = columns.draw(head, cells, colour=shows_colour(sys.stdout), whole=True)
    if drawn is None:
        say_records(head, cells)
        return
    for line in drawn.lines:
        write(line)


def say_records(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write each row as lines of its own, each with its column's heading.

    Used on a terminal that is narrower than the table.
    """
    for row in rows:
        first, *rest = ((name.lower(), cell) for name, cell in zip(head, row, strict=True) if cell)
        say_prose(f"{first[1]}  ", rest[0][1]) if rest else say(first[1])
        say_fields(rest[1:], indent="    ", prose=True)


def one_line(text: str) -> str:
    """Return somebody else's text as one line; control characters become visible escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _visible(c) for c in text)


def _visible(character: str) -> str:
    """Return a character that cannot be shown as an escape, as Python and JSON know it."""
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def say_json(value: Any) -> None:
    """Write a value as indented JSON; keys stay in the order in which they were added.

    What cannot be written as it is, because of the output's encoding, is written as JSON's escapes.
    """
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # or the name of a file, or an argument, that is not UTF-8
        import json  # noqa: PLC0415 - for this case only

        text = json.dumps(msgspec.to_builtins(value), indent=2)
    write(text)


def complain(error: RouterError) -> None:
    """Write an error, and how to fix it, to standard error."""
    where = (
        f"{one_line(error.where)}: " if error.where and not isinstance(error, ConfigError) else ""
    )
    _tell_prose("ERROR", "red", f"{where}{error.message}")
    if isinstance(error, ConfigError):
        for problem in error.problems:
            complain_of(problem)
    if error.hint:
        tip(error.hint)


def complain_of(problem: Problem) -> None:
    """Write one problem of a configuration, with its file and line, to standard error."""
    path = f"{problem.path}: " if problem.path else ""
    head = f"  {problem.where}: {severity(problem.severity, sys.stderr)}: "
    for line in _broken(head, f"{path}{problem.message}", sys.stderr, below="      "):
        print(line, file=sys.stderr)
    for line in _stepped("      ", problem.hint, sys.stderr) if problem.hint else ():
        print(line, file=sys.stderr)


def tip(text: str) -> None:
    """Write a hint to standard error: words and commands, which :func:`say_steps` describes."""
    for line in _stepped(f"{paint('TIP', 'cyan', sys.stderr)}: ", text, sys.stderr):
        print(line, file=sys.stderr)


def note(text: str) -> None:
    """Write information to standard error, which is not a part of the command's answer."""
    _tell_prose("NOTE", "cyan", text)


def called_as(name: str) -> None:
    """Make all hints name the command ``name`` from now on, such as ``hermes router``.

    A person who started it so may not have ``hermes-router`` on PATH.
    """
    _names.append(name)


def clean(text: str) -> str:
    """Return ``text`` without control characters, except newlines, tabs and our own colours.

    Texts come from files and from models, and must not be able to control the terminal.
    """
    if _names:
        text = _OWN_COMMAND.sub(rf"{_names[-1]} \1", text)
    if text.isprintable():
        return text
    text = "".join(c if c.isprintable() or c in "\n\t\x1b" else _visible(c) for c in text)
    head, *parts = text.split("\x1b")
    return head + "".join(_escape(part) for part in parts)


def _escape(part: str) -> str:
    ours = any(part.startswith(f"[{code}m") for code in (*_CODES.values(), "0"))
    return f"\x1b{part}" if ours else f"\\x1b{part}"


def _tell_prose(word: str, style: str, text: str) -> None:
    for line in _broken(f"{paint(word, style, sys.stderr)}: ", text, sys.stderr):
        print(line, file=sys.stderr)


def _stepped(head: str, steps: str, stream: TextIO) -> list[str]:
    """Return ``head`` and what to do as lines for a stream, as :func:`say_steps` describes it."""
    whole = clean(f"{head}{steps}")
    if not is_terminal(stream) or _width(whole) <= columns.room(stream):
        return [whole]
    lines, margin = [], " " * _width(head)
    for step in _BETWEEN_STEPS.split(steps):
        lines += [clean(f"{head}{step}")] if _COMMAND.match(step) else _broken(head, step, stream)
        head = margin
    return lines


def _broken(head: str, prose: str, stream: TextIO, below: str | None = None) -> list[str]:
    """Return ``head`` and prose as lines for a stream: one line unless it is a terminal.

    With ``below``, prose that is too long begins on a line of its own, after this margin.
    """
    head, prose = clean(head), clean(prose)
    whole = f"{head}{prose}"
    room = columns.room(stream) if is_terminal(stream) else len(whole)
    if _width(whole) <= room:
        return [whole]
    margin = " " * _width(head) if below is None else below
    if room - len(margin) < _NARROW:
        return [whole]
    lines = [f"{margin}{line}" for line in columns.wrapped(prose, room - len(margin))]
    if below is not None:
        return [head.rstrip(), *lines]
    return [f"{head}{lines[0].removeprefix(margin)}", *lines[1:]]


def _width(text: str) -> int:
    """Return how many columns a text takes, at least; our own colours take none."""
    for code in (*_CODES.values(), "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return columns.cells(text)


def is_terminal(stream: TextIO) -> bool:
    """Return True if a stream is a terminal; standard output may be replaced by another object."""
    return hasattr(stream, "isatty") and stream.isatty()


def shows_colour(stream: TextIO) -> bool:
    """Return True if ``stream`` is a terminal and the person has not turned colours off."""
    return (
        not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and is_terminal(stream)
    )
