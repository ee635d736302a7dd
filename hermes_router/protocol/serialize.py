"""Arbitrary values as data that msgpack can carry."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """Return ``value`` as plain data: numbers, text, bytes, lists and maps of them.

    Enumerations give their values, paths and moments their text, sets and tuples become lists. What
    cannot be so carried becomes None.
    """
    match value:
        case Enum():
            data = plain(value.value)
        case bool() | int() | float() | bytes():
            data = value
        case str() | Path():
            data = str(value)
        case datetime():
            data = value.isoformat()
        case dict():
            data = {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            data = [plain(item) for item in value]
        case _:
            data = None
    return data
