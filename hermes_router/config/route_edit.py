"""Add a route to a configuration's text, or remove one; every other byte stays as it is.

The text is edited at the place where a parser finds the routes, and then read again. The edit is
refused unless only that one place is routed differently and everything else is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from hermes_router.base.errors import ConfigError
from hermes_router.config.changes import changes
from hermes_router.config.model import RouterConfig
from hermes_router.routing.table import Place, Route

Load = Callable[[str], RouterConfig]
"""Reads a configuration from its text; raises ``ConfigError``."""


class CannotEdit(Exception):
    """Raised when no small edit does what it should with certainty; its text says why."""


def with_route(text: str, place: Place, profile: str, load: Load, note: str = "") -> str:
    """Return the text with a route for ``place`` to ``profile``, and ``note`` as its comment.

    ``load`` reads a configuration's text: the edit is checked by it.

    Raises:
        CannotEdit: the routes are written in a form that this function cannot add to.
    """
    written = f"{profile}  # {note}" if note else profile
    new = _added(text, place, written)
    _check(text, new, load, f"route added: {_spelled(place)} -> {profile}")
    return new


def without_route(text: str, route: Route, load: Load) -> str:
    """Return the text without the lines of ``route``, and without keys that are empty then.

    ``load`` reads a configuration's text: the edit is checked by it.

    Raises:
        CannotEdit: no small edit removes the route with certainty.
    """
    if route.file != str(load(text).path):
        raise CannotEdit(f"the route is written in {route.where}")
    place = Place(platform=route.platform, chat_id=route.chat_id, thread_id=route.thread_id)
    new = _removed(text, route.line)
    _check(text, new, load, f"route removed: {_spelled(place)} -> {route.profile}")
    return new


def snippet(place: Place, profile: str) -> str:
    """Return the YAML lines of a route for ``place``, for a person who adds it by hand."""
    return "gateway:\n" + _block(place, profile, 2)


def _check(text: str, new: str, load: Load, wanted: str) -> None:
    try:
        said = changes(load(text), load(new))
    except ConfigError as error:
        raise CannotEdit(f"the result would be wrong: {error.problems[0].message}") from error
    if said != [wanted] or _rest(text) != _rest(new):
        raise CannotEdit("the edit would also change other values")


def _rest(text: str) -> Any:
    """Return all that a text says, without the routes."""
    values = yaml.safe_load(text) or {}
    gateway = values.get("gateway")
    if isinstance(gateway, dict):
        values["gateway"] = {k: v for k, v in gateway.items() if k != "profile_routes"}
    return {key: value for key, value in values.items() if value not in ({}, None)}


def _spelled(place: Place) -> str:
    return ":".join(filter(None, (place.platform, place.chat_id, place.thread_id)))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# -- adding ------------------------------------------------------------------------------------


def _added(text: str, place: Place, profile: str) -> str:
    root = _compose(text)
    if root is None:
        return _inserted(text, len(text), f"gateway:\n{_block(place, profile, 2)}")
    node, path = root, ["gateway", "profile_routes", place.platform, place.chat_id or ""]
    for depth, key in enumerate(path):
        _want_block(node)
        inner = _value(node, key)
        if inner is None:
            return _below(text, node, _entry(path[depth:], place, profile, _column(node)))
        if _is_empty(inner) and depth < len(path) - 1:
            lines = _entry(path[depth + 1 :], place, profile, _column(node) + 2)
            return _in_place_of(text, inner, lines)
        if key == "profile_routes" and isinstance(inner, yaml.SequenceNode):
            _want_block(inner)
            item = _item(place, profile, inner.start_mark.column)
            return _below(text, inner, item)
        node = inner
    if not place.thread_id:
        raise CannotEdit("the chat has routes already")
    _want_block(node)
    line = f"{' ' * _column(node)}{_quoted(place.thread_id)}: {profile}\n"
    return _below(text, node, line)


def _compose(text: str) -> Any:
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CannotEdit("it is not valid YAML") from error
    if root is None:
        return None
    return root


def _want_block(node: Any) -> None:
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        raise CannotEdit("the routes are not written as block mappings or lists, one line each")


def _is_empty(node: Any) -> bool:
    """Return True for null, written or not, and for ``[]`` and ``{}`` in one line."""
    if isinstance(node, yaml.ScalarNode):
        return bool(node.tag == "tag:yaml.org,2002:null")
    return not node.value and node.start_mark.line == node.end_mark.line


def _in_place_of(text: str, empty: Any, lines: str) -> str:
    """Return the text with lines below the key whose value is empty; its comment stays there."""
    start, end = empty.start_mark.index, empty.end_mark.index
    before, behind = text[:start], text[end:]
    rest = behind.partition("\n")[0]
    if end > start and not rest.strip():  # the blank before the value
        before = before.rstrip(" ")
    at = len(before) + len(rest)
    whole = before + behind
    return _inserted(whole, min(len(whole), at + 1), lines)


def _value(mapping: Any, key: str) -> Any:
    if not isinstance(mapping, yaml.MappingNode):
        raise CannotEdit("the routes are not written as block mappings or lists, one line each")
    found = [value for name, value in mapping.value if str(name.value) == key]
    return found[0] if found else None


def _column(mapping: Any) -> int:
    return int(mapping.value[0][0].start_mark.column)


def _below(text: str, node: Any, lines: str) -> str:
    """Insert lines after the last line of a block, before comments and blank lines that follow."""
    last = node.value[-1]
    deepest = last[1] if isinstance(last, tuple) else last
    while not isinstance(deepest, yaml.ScalarNode) and deepest.value and not deepest.flow_style:
        inner = deepest.value[-1]
        deepest = inner[1] if isinstance(inner, tuple) else inner
    at = text.find("\n", max(deepest.start_mark.index, deepest.end_mark.index - 1))
    return _inserted(text, len(text) if at < 0 else at + 1, lines)


def _inserted(text: str, at: int, lines: str) -> str:
    """Insert lines at an index; they end as the line above does, and no other line changes.

    If the text's last line has no end, a line that is added below it has none either.
    """
    above, below = text[:at], text[at:]
    end = _line_end(above)
    if above and not above.endswith("\n"):
        above, lines = f"{above}{end}", lines.removesuffix("\n")
    return above + lines.replace("\n", end) + below


def _line_end(text: str) -> str:
    """Return the characters that end the last line that has an end; a line feed if none has."""
    end = text.rfind("\n") + 1
    return "\r\n" if text[:end].endswith("\r\n") else "\n"


def _entry(path: list[str], place: Place, profile: str, column: int) -> str:
    """Return the lines of the keys of ``path`` and the route below them."""
    lines = []
    for depth, key in enumerate(path):
        shown = key if key in {"gateway", "profile_routes", place.platform} else _quoted(key)
        lines.append(f"{' ' * (column + 2 * depth)}{shown}:")
    if place.thread_id:
        margin = " " * (column + 2 * len(path))
        lines.append(f"{margin}{_quoted(place.thread_id)}: {profile}")
    else:
        lines[-1] += f" {profile}"
    return "\n".join(lines) + "\n"


def _block(place: Place, profile: str, column: int) -> str:
    path = ["profile_routes", place.platform, place.chat_id or ""]
    return _entry(path, place, profile, column)


def _item(place: Place, profile: str, column: int) -> str:
    fields = [f"platform: {place.platform}", f"chat_id: {_quoted(place.chat_id or '')}"]
    if place.thread_id:
        fields.append(f"thread_id: {_quoted(place.thread_id)}")
    fields.append(f"profile: {profile}")
    margin = " " * column
    return f"{margin}- " + f"\n{margin}  ".join(fields) + "\n"


# -- removing ----------------------------------------------------------------------------------


def _removed(text: str, number: int) -> str:
    """Return the text without the block at a line, and without keys that are empty then."""
    lines = text.splitlines(keepends=True)
    first = _item_start(lines, number - 1)
    end = _end_of_block(lines, first)
    del lines[first:end]
    while (parent := _empty_parent(lines, first)) is not None:
        del lines[parent]
        first = parent
    return _ended_like(text, "".join(lines))


def _ended_like(text: str, left: str) -> str:
    """Return ``left``, without its last line end if the last line of ``text`` has none."""
    if text.endswith("\n") or not left.endswith("\n"):
        return left
    return left.removesuffix(_line_end(left))


def _item_start(lines: list[str], at: int) -> int:
    """Return the first line of the list item that a line belongs to, or the line itself."""
    column = _indent(lines[at])
    for index in range(at, -1, -1):
        stripped = lines[index].lstrip()
        if stripped.startswith("- ") and _indent(lines[index]) in {column, column - 2}:
            return index
        if stripped and not stripped.startswith("#") and _indent(lines[index]) < column:
            break
    return at


def _end_of_block(lines: list[str], first: int) -> int:
    column, end = _indent(lines[first]), first + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) > column:
        end += 1
    return end


def _empty_parent(lines: list[str], at: int) -> int | None:
    """Return the key above a removed block if the key is empty now, else None."""
    above = next((i for i in range(at - 1, -1, -1) if _says(lines[i])), None)
    if above is None or not lines[above].split("#")[0].rstrip().endswith(":"):
        return None
    below = next((line for line in lines[at:] if _says(line)), "")
    return above if _indent(below) <= _indent(lines[above]) or not below else None


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def read_with(load_file: Callable[..., RouterConfig], file: Path) -> Load:
    """Return a function that reads a configuration from its text, as if ``file`` held it.

    It calls ``load_file`` with the file and with ``text``, as :func:`.model.load` takes them.
    """
    return lambda text: load_file(file, text=text)
