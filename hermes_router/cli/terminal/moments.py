"""Points in time: as people give them to ``--since``, and as tables show them."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Return the time that ``10m``, ``2h``, ``today``, ``14:30`` or ``2026-01-31 14:30`` names.

    Raises:
        argparse.ArgumentTypeError: the text names no time.
    """
    now = datetime.now(UTC).astimezone()
    if text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if (ago := _AGO.fullmatch(text.strip())) is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if re.fullmatch(r"\d\d?:\d\d", text):
            hour, minute = map(int, text.split(":"))
            return now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not a time: write 10m, 2h, 3d, today, 14:30 or 2026-01-31T14:30"
        raise argparse.ArgumentTypeError(message) from error


def add_since_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--since``, for commands that list what has happened."""
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="from then on: 10m, 2h, 3d, today, 14:30, or a date",
    )


def local(at: datetime | None) -> str:
    """Return a time as a table shows it, in local time; ``?`` for None.

    Today it is hours, minutes and seconds; on other days month, day, hours and minutes.
    """
    if at is None:
        return "?"
    shown = at.astimezone()
    today = shown.date() == datetime.now(UTC).astimezone().date()
    return shown.strftime("%H:%M:%S" if today else "%m-%d %H:%M")


def span(seconds: float | None) -> str:
    """Return a duration, given in seconds, as short text such as ``5.0 s``; None gives no text."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.1f} s"
    for unit, size in (("m", 60.0), ("h", 3600.0), ("d", 86400.0)):
        if seconds < 100 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
