"""Convert any value into plain data, which msgpack can encode."""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

#: Halves of characters, which a platform's text may have: no encoding has them.
_HALVES = re.compile("[\ud800-\udfff]")


def plain(value: Any) -> Any:
    """Return ``value`` as plain data: numbers, text, bytes, lists and maps of them.

    An enumeration becomes its value, a path its text, a date and time its ISO 8601 text. Sets and
    tuples become lists. A value of any other type becomes None. In a text, U+FFFD replaces each
    half of a character, as Hermes does before it asks a model.
    """
    match value:
        case Enum():
            data = plain(value.value)
        case bool() | int() | float() | bytes():
            data = value
        case str() | Path():
            data = _HALVES.sub("\ufffd", str(value))
        case datetime():
            data = value.isoformat()
        case dict():
            data = {plain(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            data = [plain(item) for item in value]
        case _:
            data = None
    return data
