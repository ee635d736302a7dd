"""Add a name to ``plugins.enabled`` of a YAML text, and remove it from a list of ``plugins``.

The text is edited at the place where a parser finds the list, and then parsed again. The edit is
refused unless the result holds exactly the old content with the name added or removed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml


class CannotEdit(Exception):
    """Raised when an edit would not do what it should; its text says why."""


def switched_on(text: str, name: str) -> str:
    """Return ``text`` with ``name`` in ``plugins.enabled``, and not in ``plugins.disabled``.

    Raises:
        CannotEdit: no small edit does this with certainty.
    """
    plugins = _values(text).get("plugins") or {}
    if name in (plugins.get("disabled") or []):
        text = without_plugin(text, name, "disabled")
    return text if name in (plugins.get("enabled") or []) else with_plugin(text, name)


def with_plugin(text: str, name: str) -> str:
    """Return ``text`` with ``name`` in ``plugins.enabled``.

    Raises:
        CannotEdit: no small edit does this with certainty.
    """
    return _changed(text, _edited, name, "enabled", lambda enabled: [*enabled, name])


def without_plugin(text: str, name: str, key: str = "enabled") -> str:
    """Return ``text`` without ``name`` in ``plugins.enabled``, or in another list of ``plugins``.

    Raises:
        CannotEdit: no small edit does this with certainty.
    """
    edit = partial(_removed, key=key)
    return _changed(text, edit, name, key, lambda names: [item for item in names if item != name])


def _changed(
    text: str,
    edit: Callable[[str, str], str],
    name: str,
    key: str,
    change: Callable[[list[Any]], list[Any]],
) -> str:
    """Return ``text`` as ``edit`` makes it, with its own line ends.

    Raises:
        CannotEdit: ``text`` cannot be read, or the result differs from it by more than ``change``,
            which takes the names in the list ``key`` of ``plugins`` and returns them as wanted.
    """
    before = _values(text)
    new = edit(text.replace("\r\n", "\n"), name)
    if "\r\n" in text:
        new = _with_line_ends(text, new)
    plugins = before.get("plugins") or {}
    wanted = {**before, "plugins": {**plugins, key: change(plugins.get(key) or [])}}
    if _values(new) != wanted:
        raise CannotEdit("the edit would also change other values")
    return new


def _with_line_ends(text: str, new: str) -> str:
    """Return ``new``, an edit of ``text`` that ends lines by line feeds, with the ends of ``text``.

    A line that the edit has changed keeps its end, and one that it has made ends as the one above.
    """
    old, lines = _lines(text), _lines(new)
    same = [line.replace("\r\n", "\n") for line in old]
    first = _alike(same, lines)
    last = _alike(same[first:][::-1], lines[first:][::-1])
    changed, rest = old[first : len(old) - last], old[len(old) - last :]
    end = "\r\n" if (old[first - 1] if first else old[0]).endswith("\r\n") else "\n"
    made = []
    for number, line in enumerate(lines[first : len(lines) - last]):
        if number < len(changed) and changed[number].endswith("\n"):
            end = "\r\n" if changed[number].endswith("\r\n") else "\n"
        made.append(line.replace("\n", end))
    return "".join([*old[:first], *made, *rest])


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _alike(some: list[str], others: list[str]) -> int:
    """Return how many lines are the same at the beginning of both."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(some, others, strict=False))
    return sum(1 for _ in pairs)


def _removed(text: str, name: str, key: str) -> str:
    plugins = _value(yaml.compose(text, yaml.SafeLoader), "plugins")
    names = _value(plugins, key)
    found = [i for i, item in enumerate(names.value) if item.value == name]
    if not found:
        raise CannotEdit("the entry is not there")
    if len(found) > 1:
        return _removed(_without(text, names, found[-1]), name, key)
    if len(names.value) == 1 and not names.flow_style:  # a key without a value would mean null
        end = next(node.end_mark.index for node, value in plugins.value if value is names)
        colon = text.index(":", end) + 1
        kept = _without(text, names, 0)
        return f"{kept[:colon]} []{kept[colon:]}"
    return _without(text, names, found[0])


def _without(text: str, names: Any, index: int) -> str:
    """Return ``text`` without one item of the list ``names``."""
    items = names.value
    start, end = items[index].start_mark.index, items[index].end_mark.index
    if names.flow_style:
        if index + 1 < len(items):
            return text[:start] + text[items[index + 1].start_mark.index :]
        first = items[index - 1].end_mark.index if index else start
        return text[:first] + text[end:]
    line = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    rest = text[line_end:] if line_end >= 0 else ""
    return text[: line - 1] + rest


def _values(text: str) -> dict[Any, Any]:
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CannotEdit(f"it is not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise CannotEdit("the file is not a mapping")
    plugins = values.get("plugins")
    if plugins is not None and not isinstance(plugins, dict):
        raise CannotEdit("plugins is not a mapping")
    for key in ("enabled", "disabled"):
        if not isinstance((plugins or {}).get(key) or [], list):
            raise CannotEdit(f"plugins.{key} is not a list")
    return values


def _edited(text: str, name: str) -> str:
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None or not isinstance(root, yaml.MappingNode) or not root.value:
        return _appended(text, f"plugins:\n  enabled:\n    - {name}\n", allowed=root is None)
    plugins = _value(root, "plugins")
    if plugins is None:
        block = not root.flow_style
        return _appended(text, f"plugins:\n  enabled:\n    - {name}\n", allowed=block)
    if isinstance(plugins, yaml.ScalarNode):  # `plugins:` without a value, or null
        return _filled(text, plugins, name)
    enabled = _value(plugins, "enabled")
    if enabled is None:
        return _added_key(text, plugins, name)
    if isinstance(enabled, yaml.ScalarNode):
        return _replaced(text, enabled, f" [{name}]", f"[{name}]")
    return _added_item(text, enabled, name)


def _value(mapping: Any, key: str) -> Any:
    found = [value for node, value in mapping.value if node.value == key]
    if len(found) > 1:
        raise CannotEdit(f"the key {key!r} is there twice")
    return found[0] if found else None


def _appended(text: str, block: str, *, allowed: bool) -> str:
    """Return ``text`` with a top-level block added at its end.

    Raises:
        CannotEdit: ``allowed`` is false.
    """
    if not allowed or any(line.startswith(("---", "...")) for line in text.splitlines()[1:]):
        raise CannotEdit("nothing can be added below it")
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}{block}"


def _filled(text: str, plugins: Any, name: str) -> str:
    """Return ``text`` with a value for ``plugins``, which is null, written or not.

    A comment in its line stays there.
    """
    if plugins.end_mark.index > plugins.start_mark.index:
        return _replaced(text, plugins, "", f"{{enabled: [{name}]}}")
    end = text.find("\n", plugins.start_mark.index)
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n  enabled:\n    - {name}{text[end:]}"


def _replaced(text: str, node: Any, nothing: str, something: str) -> str:
    """Return ``text`` with a null value replaced.

    ``nothing`` replaces a null that is not written out, ``something`` a written one.
    """
    start, end = node.start_mark.index, node.end_mark.index
    return text[:start] + (something if end > start else nothing) + text[end:]


def _added_key(text: str, plugins: Any, name: str) -> str:
    if plugins.flow_style:
        start = plugins.start_mark.index + 1
        comma = ", " if plugins.value else ""
        return f"{text[:start]}enabled: [{name}]{comma}{text[start:]}"
    first = plugins.value[0][0].start_mark
    margin = " " * first.column
    return f"{text[: first.index]}enabled:\n{margin}  - {name}\n{margin}{text[first.index :]}"


def _added_item(text: str, enabled: Any, name: str) -> str:
    if enabled.flow_style:
        if not enabled.value:
            start = enabled.start_mark.index + 1
            return f"{text[:start]}{name}{text[start:]}"
        end = enabled.value[-1].end_mark.index
        return f"{text[:end]}, {name}{text[end:]}"
    # A block list's mark is at its first dash; an item's end is where its text ends.
    margin = " " * enabled.start_mark.column
    last = enabled.value[-1].end_mark.index
    line_end = text.find("\n", last)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{margin}- {name}{text[line_end:]}"
