"""YAML with the line and column of every node, and the exact text that was written.

Hermes reads its config with PyYAML. This module uses the same language (YAML 1.1) and the same
parser, but keeps each scalar's source text: ``-1003961179976`` is an int for Hermes and an id here.
It builds the tree from parser events without recursion, so that very deep nesting gives an error
and never a crash. Aliases share nodes, and there is a limit on what they expand to.
"""

from __future__ import annotations

import codecs
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import yaml

from hermes_router.base.errors import ConfigError, Problem
from hermes_router.config.yaml_mistakes import mistake_of

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASED = 1_000_000

#: To open a FIFO would otherwise wait for its writer.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IMPLICIT = yaml.SafeLoader.yaml_implicit_resolvers
_CORE = "tag:yaml.org,2002:"
#: The tags that a safe YAML reader, such as Hermes's, knows.
_KNOWN_TAGS = frozenset(
    (
        *("null", "bool", "int", "float", "str", "seq", "map", "merge", "value"),
        *("timestamp", "binary", "omap", "pairs", "set"),
    )
)


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """A scalar as it was written. ``plain`` is False if it was quoted or a block."""

    text: str
    plain: bool
    tag: str | None
    line: int
    column: int


class Sequence(msgspec.Struct, frozen=True, gc=False):
    """A YAML list, with its line and column from 1."""

    items: tuple[Node, ...]
    line: int
    column: int


class Mapping(msgspec.Struct, frozen=True, gc=False):
    """A mapping's entries in file order, with merge keys applied.

    Of duplicate keys, the first one counts; ``duplicates`` are pairs of (first, later) keys.
    """

    entries: tuple[tuple[Scalar, Node], ...]
    duplicates: tuple[tuple[Scalar, Scalar], ...]
    line: int
    column: int

    def get(self, name: str) -> Node | None:
        """Return the value of the key *name*, or ``None``."""
        return next((value for key, value in self.entries if key.text == name), None)

    def key(self, name: str) -> Scalar | None:
        """Return the key *name* itself, with its line and column, or ``None``."""
        return next((key for key, _ in self.entries if key.text == name), None)


# A node holds only nodes that were read before it, so there are no cycles, and the garbage
# collector can skip them. It would stop all threads, also the gateway's loop, while it looks
# through a large tree.
Node = Scalar | Sequence | Mapping


def kind(node: Node) -> str:
    """Return the type that YAML 1.1 gives to *node*.

    One of ``mapping list str int float bool null timestamp``, or another tag's last part.
    """
    if isinstance(node, Mapping):
        return "mapping"
    if isinstance(node, Sequence):
        return "list"
    if node.tag is not None and node.tag != "!":
        return node.tag.removeprefix(_CORE)
    return _implicit_kind(node.text) if node.plain and node.tag is None else "str"


def _implicit_kind(text: str) -> str:
    for tag, pattern in _IMPLICIT.get(text[:1], ()):
        if pattern.match(text):
            return str(tag).removeprefix(_CORE)
    return "str"


def is_null(node: Node | None) -> bool:
    """Return True if *node* is absent or null, written out or not."""
    return node is None or kind(node) == "null"


_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def plain_value(node: Node) -> object:
    """Return *node* as Python values: mappings, lists, texts, numbers, booleans and None.

    A number that is not in plain decimal stays text, and so does a date.
    """
    if isinstance(node, Mapping):
        return {key.text: plain_value(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [plain_value(item) for item in node.items]
    return _plain_scalar(node)


def _plain_scalar(node: Scalar) -> object:
    found = kind(node)
    if found == "null":
        return None
    if found == "bool":
        return _BOOLS.get(node.text.lower(), node.text)
    return _number(node.text) if found in ("int", "float") else node.text


def _number(text: str) -> object:
    digits = text.lstrip("+-")
    if len(digits) > 18 or (digits[:1] == "0" and digits[1:2].isdigit()):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def load(path: Path) -> Node | None:
    """Read and parse the YAML file at *path* once; ``None`` if it holds nothing.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: the file cannot be read or is not one well-formed YAML document.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot be read: {reason}"
        raise ConfigError([Problem(file=str(path), message=message, code="unreadable")]) from None
    return parse(data, str(path))


def _read(path: Path) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(0, "it is not a regular file")
        if info.st_size > MAX_BYTES:
            raise OSError(0, f"it is larger than {MAX_BYTES // 2**20} MiB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES)
    finally:
        os.close(descriptor)


def parse(data: bytes | str, file: str) -> Node | None:
    """Parse one YAML document; ``None`` if it holds nothing. *file* is named in errors.

    Raises:
        ConfigError: with the line and column of the mistake.
    """
    text = _decoded(data, file) if isinstance(data, bytes) else data
    composer = _Composer(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.feed(event)
    except yaml.MarkedYAMLError as error:
        line, column, message, hint = mistake_of(error, text)
        _fail(file, line, column, f"not valid YAML: {message}", "yaml-syntax", hint)
    except (yaml.YAMLError, UnicodeError) as error:
        _fail(
            file, *_unreadable_place(text), f"not valid YAML: {_first_line(error)}", "yaml-syntax"
        )
    return composer.root


def _decoded(data: bytes, file: str) -> str:
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        hint = "save it as UTF-8: Hermes ignores all of this file"
        _fail(file, 1, 1, "UTF-16 text, which Hermes cannot read", "encoding", hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        _fail(file, line, column, "not UTF-8 text", "encoding")


def _unreadable_place(text: str) -> tuple[int, int]:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return 0, 0
    start = found.start()
    return text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1


def _first_line(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).partition("\n")[0]


def _fail(file: str, line: int, column: int, message: str, code: str, hint: str = "") -> NoReturn:
    found = Problem(file=file, line=line, column=column, message=message, code=code, hint=hint)
    raise ConfigError([found])


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "column", "entries", "is_mapping", "items", "key", "line", "size")

    def __init__(self, event: yaml.CollectionStartEvent) -> None:
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.anchor = event.anchor
        self.line, self.column = _place(event)
        self.items: list[Node] = []
        self.entries: list[tuple[Scalar, Node]] = []
        self.key: Scalar | None = None
        self.size = 1


class _Composer:
    """Builds the node tree from parser events."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self._file = file
        self._documents = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._aliased = 0

    def feed(self, event: yaml.Event) -> None:
        """Process one parser event."""
        tag = getattr(event, "tag", None)
        if tag not in (None, "!") and tag.removeprefix(_CORE) not in _KNOWN_TAGS:
            hint = "put it into quotes, or remove it: Hermes ignores all of this file because of it"
            self._refuse(event, f"the tag {tag}, which Hermes does not know", hint)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(event)

    def _document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(
                event, "the file holds more than one YAML document", "keep one, without ---"
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        node = Scalar(event.value, not event.style, event.tag, *_place(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, 1)
        self._add(node, 1)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} levels deep", "")
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            self._refuse(
                event, "a mapping key cannot be a list or a mapping", "write the key as text"
            )
        frame = _Frame(event)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = None
        self._stack.append(frame)

    def _close(self) -> None:
        frame = self._stack.pop()
        node = self._mapping(frame) if frame.is_mapping else _sequence(frame)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (node, frame.size)
        self._add(node, frame.size)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            self._refuse(event, f"the alias *{event.anchor} names no anchor above it", "")
        known = self._anchors[event.anchor]
        if known is None:
            self._refuse(event, f"the alias *{event.anchor} is inside its own anchor", "")
        node, size = known
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            self._refuse(event, f"aliases expand to more than {MAX_ALIASED} values", "")
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            self._alias_key(event, node)
        else:
            self._add(node, size)

    def _alias_key(self, event: yaml.AliasEvent, node: Node) -> None:
        if not isinstance(node, Scalar):
            self._refuse(
                event, "a mapping key cannot be a list or a mapping", "write the key as text"
            )
        self._add(node, 1)

    def _add(self, node: Node, size: int) -> None:
        if not self._stack:
            self.root = None if kind(node) == "null" else node
            return
        frame = self._stack[-1]
        frame.size += size
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is not None:
            frame.entries.append((frame.key, node))
            frame.key = None
        elif isinstance(node, Scalar):  # other keys were refused when they were opened
            frame.key = node

    def _mapping(self, frame: _Frame) -> Mapping:
        seen: dict[str, Scalar] = {}
        entries: list[tuple[Scalar, Node]] = []
        duplicates: list[tuple[Scalar, Scalar]] = []
        merges: list[Node] = []
        for key, value in frame.entries:
            if key.text == "<<" and kind(key) == "merge":
                merges.append(value)
            elif (first := seen.setdefault(key.text, key)) is key:
                entries.append((key, value))
            else:
                duplicates.append((first, key))
        for merge in merges:
            entries.extend(self._merged(merge, seen))
        return Mapping(tuple(entries), tuple(duplicates), frame.line, frame.column)

    def _merged(self, merge: Node, seen: dict[str, Scalar]) -> Iterator[tuple[Scalar, Node]]:
        sources = merge.items if isinstance(merge, Sequence) else (merge,)
        for source in sources:
            if not isinstance(source, Mapping):
                message = "a merge key (<<) takes a mapping, or a list of mappings"
                _fail(self._file, source.line, source.column, message, "yaml-merge")
            for key, value in source.entries:
                if seen.setdefault(key.text, key) is key:
                    yield key, value

    def _refuse(self, event: yaml.Event, message: str, hint: str) -> NoReturn:
        _fail(self._file, *_place(event), message, "yaml-structure", hint)


def _sequence(frame: _Frame) -> Sequence:
    return Sequence(tuple(frame.items), frame.line, frame.column)
