"""Sizes and durations as people write them: ``2GB``, ``500 MiB``, ``5m``, ``1h30m``."""

from __future__ import annotations

import re

_SIZES = {"b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SECONDS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")

SIZE_HINT = "bytes as a number, or with a unit: 500MB, 2GB, 1GiB"
DURATION_HINT = "seconds as a number, or with a unit: 30s, 5m, 2h, 1d"


def size(text: str) -> int | None:
    """Return the number of bytes that ``text`` means; None if it is no size."""
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or (found[3] and not found[2]):
        return None
    factor = (_BINARY if found[3] else _SIZES)[found[2]] if found[2] else 1
    return round(float(found[1]) * factor)


def duration(text: str) -> float | None:
    """Return the seconds that ``text`` means; None if it is no duration."""
    text = text.strip().lower()
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    if any(part[2] not in _SECONDS for part in parts):
        return None
    return float(sum(float(part[1]) * _SECONDS[part[2]] for part in parts))
