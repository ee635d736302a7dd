"""Collect the problems of one configuration file while it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hermes_router.base.errors import Problem, Severity, nearest
from hermes_router.config.yaml import Mapping, Node, Scalar, Sequence, kind

PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_RULE = "lower-case letters, digits, - and _, at most 64, beginning with a letter or digit"
RESERVED_PROFILES = frozenset({"hermes", "test", "tmp", "root", "sudo"})

_ENTRY_ID = re.compile(r"[-+]?[0-9]+")
_DIGITS_APART = re.compile(r"-?[1-9][0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Report:
    """Collects the problems of one file while it is read, in the list ``problems``.

    A method that reads a value adds a problem for a wrong value, and never raises: so a person sees
    all mistakes at once.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(
        self,
        node: Node | None,
        path: str,
        message: str,
        *,
        hint: str = "",
        code: str = "invalid",
        severity: Severity = "error",
    ) -> None:
        """Add a problem with the line and column of *node*; None means the file as a whole.

        ``path`` is the key path, such as ``hermes_router.defaults``, for the message.
        """
        line, column = (node.line, node.column) if node is not None else (0, 0)
        self.problems.append(
            Problem(
                file=self.file,
                line=line,
                column=column,
                path=path,
                message=message,
                hint=hint,
                code=code,
                severity=severity,
            )
        )

    def unknown_key(self, key: Scalar, path: str, allowed: Iterator[str] | tuple[str, ...]) -> None:
        """Add a problem for a key that the router does not know; its hint names those *allowed*."""
        hint = nearest(key.text, allowed)
        self.add(key, path, f"unknown key {key.text!r}", hint=hint, code="unknown-key")

    def entries(self, node: Mapping, path: str) -> Iterator[tuple[Scalar, Node]]:
        """Yield a YAML mapping's keys and values; add a problem for each key that it has twice.

        ``path`` is the mapping's place in the file, for the messages. The first of two such keys is
        yielded.
        """
        for first, later in node.duplicates:
            message = f"the key {later.text!r} is already on line {first.line}"
            hint = "YAML silently keeps the last one: join them"
            self.add(later, path, message, hint=hint, code="duplicate-key")
        yield from node.entries

    def mapping(self, node: Node, path: str) -> Mapping | None:
        """Return *node* if it is a mapping, else None.

        Null counts as an empty mapping: it gives None without a problem. For any other node, a
        problem is added.
        """
        if isinstance(node, Mapping):
            return node
        if kind(node) != "null":
            self.add(node, path, f"must be a mapping, not {describe(node)}", code="type")
        return None

    def id(self, node: Node, path: str, *, composite: bool = False) -> str | None:
        """Return an id as text, exactly as it was written; None for a value that cannot be an id.

        A problem is added then. *composite* is for ``chat:thread`` keys, which YAML 1.1 may read as
        base 60 numbers.
        """
        if not isinstance(node, Scalar):
            self.add(node, path, f"must be an id, not {describe(node)}", code="id")
            return None
        found = kind(node)
        if found == "str":
            return self._text_id(node, path)
        if found == "int" and (composite or _ENTRY_ID.fullmatch(node.text)):
            return node.text
        hint = f'quote it: "{node.text}"' if node.text else "give an id, or remove the key"
        if found == "int" and _DIGITS_APART.fullmatch(node.text):
            hint = f"write it without _: {node.text.replace('_', '')}"
        self.add(node, path, _not_an_id(node, found), hint=hint, code="id")
        return None

    def _text_id(self, node: Scalar, path: str) -> str | None:
        text = node.text.strip()
        if text and not _CONTROL.search(text):
            return text
        message = "holds a control character" if text else "is empty"
        self.add(node, path, f"the id {message}", hint="give an id, or remove the key", code="id")
        return None

    def profile(self, node: Node, path: str) -> str | None:
        """Return a profile's name as Hermes spells it: stripped, and in lower case.

        If the value is no valid name, add a problem and return None.
        """
        if not isinstance(node, Scalar) or kind(node) not in ("str", "int"):
            hint = f'quote it: "{node.text}"' if isinstance(node, Scalar) and node.text else ""
            message = f"must be a profile name, not {describe(node)}"
            self.add(node, path, message, hint=hint, code="profile-name")
            return None
        name = node.text.strip().lower()
        if PROFILE_NAME.fullmatch(name) and name not in RESERVED_PROFILES:
            return name
        why = "is reserved by Hermes" if name in RESERVED_PROFILES else "is not a profile name"
        self.add(node, path, f"{node.text!r} {why}", hint=NAME_RULE, code="profile-name")
        return None

    def text(self, node: Node, path: str) -> str:
        """Return a scalar's text, whatever type YAML gives it; "" for null.

        For a list or a mapping, add a problem and return "".
        """
        if isinstance(node, Scalar):
            return "" if kind(node) == "null" else node.text
        self.add(node, path, f"must be text, not {describe(node)}", code="type")
        return ""


def describe(node: Node) -> str:
    """Return words for what *node* is, for a message: ``the float 1.5``, ``a list``."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    found = kind(node)
    if found == "null":
        return "nothing"
    return repr(node.text) if found == "str" else f"the {_NAMES.get(found, found)} {node.text}"


_NAMES = {"timestamp": "date", "bool": "boolean", "int": "number", "float": "float"}


def _not_an_id(node: Scalar, found: str) -> str:
    if found == "null":
        return "the id is empty"
    if found == "int":
        return f"{node.text} is not the id it looks like: YAML reads another number from it"
    return f"{describe(node)} is not an id"
