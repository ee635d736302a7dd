"""Say where the mistake in a YAML text is, and what it is, in words that people know.

A YAML parser names the place where it gave up, in its own words. The mistake is often above that
place: a line without its colon, or a bracket that is not closed.
"""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

import yaml

_QUOTE_IT = "put the whole text into quotes"


class Mistake(NamedTuple):
    """A mistake with its line and column, from 1, and a hint, which may be empty."""

    line: int
    column: int
    message: str
    hint: str = ""


def mistake_of(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    """Return the mistake in ``text`` for which the parser has raised ``error``.

    If its kind is not known, these are the parser's words, at the parser's place.
    """
    mark = error.problem_mark or error.context_mark
    told = error.problem or error.context or "cannot be parsed"
    if mark is None:
        return Mistake(0, 0, told)
    found = _of_quote(error) or _of_bracket(error, text) or _of_character(told, mark, text)
    found = found or _of_lines(error, mark, text)
    return found or Mistake(mark.line + 1, mark.column + 1, told)


def _at(mark: yaml.Mark, message: str, hint: str) -> Mistake:
    return Mistake(mark.line + 1, mark.column + 1, message, hint)


def _of_quote(error: yaml.MarkedYAMLError) -> Mistake | None:
    if "quoted scalar" not in (error.context or "") or error.context_mark is None:
        return None
    problem = error.problem or ""
    if "end of stream" in problem:
        return _at(
            error.context_mark,
            "the quote that begins here is not closed",
            "close it, or remove it",
        )
    if "escape" in problem and error.problem_mark is not None:
        hint = "use '...' in place of \"...\""
        return _at(error.problem_mark, 'a \\ that means nothing inside "..."', hint)
    return None


def _of_bracket(error: yaml.MarkedYAMLError, text: str) -> Mistake | None:
    begun, mark = error.context_mark, error.problem_mark
    if begun is None or "while parsing a flow" not in (error.context or ""):
        return None
    if "flow node" in (error.context or ""):  # a value was expected
        opened = _opened(text)
        if opened is None or mark is None or text[mark.index :].partition("\n")[0].strip():
            return None
        begin = "[" if isinstance(opened, yaml.FlowSequenceStartToken) else "{"
        return _at(opened.start_mark, f"the {begin} that begins here is not closed", "close it")
    begin, end = "[]" if "sequence" in (error.context or "") else "{}"
    if mark is None or mark.index >= len(text.rstrip()):
        return _at(begun, f"the {begin} that begins here is not closed", "close it")
    hint = f"the {begin} is in line {begun.line + 1}, column {begun.column + 1}"
    return _at(mark, f"a comma or a {end} is missing before this", hint)


def _opened(text: str) -> yaml.Token | None:
    """Return the bracket that was opened last and is still open where the text ends, or None."""
    opened: list[yaml.Token] = []
    with contextlib.suppress(yaml.YAMLError):
        for token in yaml.scan(text):
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                opened.append(token)
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken):
                del opened[-1:]
    return opened[-1] if opened else None


def _of_character(told: str, mark: yaml.Mark, text: str) -> Mistake | None:
    here, before = _char(text, mark), _char(text, mark, -1)
    if here == "\t" and ("cannot start" in told or "tab" in told):
        return _at(mark, "a tab: YAML allows only spaces here", "write spaces")
    if "tab character" in told:
        return _at(mark, "a tab in the indentation: YAML allows only spaces", "write spaces")
    if "alphabetic or numeric" in told and before in ("*", "&"):
        name = "an alias" if before == "*" else "an anchor"
        message = f"{before} begins {name} in YAML, and no text"
        return Mistake(mark.line + 1, mark.column, message, f'put it into quotes: "{before}"')
    if "cannot start any token" in told:
        return _at(mark, f"a text that begins with {here} needs quotes", _QUOTE_IT)
    if here in ("]", "}"):
        return _at(mark, f"nothing is open that this {here} could close", "remove it")
    return None


def _of_lines(error: yaml.MarkedYAMLError, mark: yaml.Mark, text: str) -> Mistake | None:
    """Return a mistake that is one of a line and those around it."""
    problem, lines = error.problem or "", text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "could not find expected ':'" in problem and error.context_mark is not None:
        return _without_colon(error.context_mark.line, lines)
    if "mapping values are not allowed" in problem:
        return _of_colon(mark, line, lines)
    if "expected key" in problem or "'-' indicator" in problem:
        return _of_place(mark, line, in_list="'-' indicator" in problem)
    return None


def _of_place(mark: yaml.Mark, line: str, *, in_list: bool) -> Mistake:
    """Return why what stands at ``mark`` has no place there."""
    if line[: mark.column].strip():
        message = "text behind a closed quote or bracket"
        hint = "is a quote missing, here or above? inside '...', a quote is written ''"
    elif line.strip().startswith("- "):
        message, hint = "an item of a list stands where a key belongs", "indent it, or remove '- '"
    elif line.strip().startswith(":"):
        message, hint = "there is no key before this colon", "write KEY: VALUE"
    elif in_list:
        message = "this line is neither an item of the list above it nor part of one"
        hint = "begin it with '- ', or indent it less, or more"
    else:
        message = "this line is indented like no line that it could belong to"
        hint = "indent it like those"
    return _at(mark, message, hint)


def _of_colon(mark: yaml.Mark, line: str, lines: list[str]) -> Mistake:
    """Return why a colon cannot stand at ``mark``."""
    if re.search(r":\s", line[: mark.column]):
        return _at(mark, "a second colon in one line", _QUOTE_IT)
    before = range(min(mark.line, len(lines)) - 1, -1, -1)
    above = next((number for number in before if _content(lines[number])), None)
    if above is None:
        return _at(mark, "a colon that means nothing here", _QUOTE_IT)
    if not re.search(r":(\s|$)", _content(lines[above])):
        return _without_colon(above, lines)
    message = "this line is indented deeper than the one above, which has a value"
    return Mistake(mark.line + 1, _indentation(line) + 1, message, "indent both alike")


def _without_colon(number: int, lines: list[str]) -> Mistake:
    line = lines[number] if number < len(lines) else ""
    message = "this line has no colon, or no space behind it"
    return Mistake(number + 1, _indentation(line) + 1, message, "write KEY: VALUE")


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _content(line: str) -> str:
    """Return a line without what may be a comment."""
    return re.sub(r"(^|\s)#.*", "", line).strip()


def _char(text: str, mark: yaml.Mark, offset: int = 0) -> str:
    """Return the character at a mark, or some characters behind it; empty where there is none."""
    lines, column = text.splitlines(), mark.column + offset
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[column : column + 1] if column >= 0 else ""
