"""What the person at the terminal sees. Colours only there, and not with NO_COLOR."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tools.demo.play import Exchange, Observation
from tests.tools.demo.stage import PLACES, Place
from tests.tools.demo.verdict import Check

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}
_WIDTH = 64
_LABEL = max(len(place.label) for place in PLACES)


class Screen:
    """Prints the demo. Paths are shown relative to the demo's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        self._coloured = sys.stdout.isatty() and not plain

    def line(self, text: str = "") -> None:
        """Print one line at once."""
        print(self.short(text), flush=True)

    def begin(self, what: str) -> None:
        """Say what is going on; `done` completes the line."""
        print(f"  {what:<{_WIDTH}} ", end="", flush=True)

    def done(self, result: str) -> None:
        """Complete the line of `begin`."""
        print(self._paint("dim", result), flush=True)

    def said(self, place: Place, text: str) -> None:
        """Show what the user wrote, and where."""
        label = self._paint("bold", f"{place.label:<{_LABEL}}")
        self.line(f"  {label}  {self._paint('cyan', 'Ada')}  {text}")

    def answered(self, exchange: Exchange) -> None:
        """Show what the bot answered."""
        indent, time = " " * (_LABEL + 4), f"{exchange.seconds:.1f} s"
        if not exchange.answer:
            self.line(f"{indent}{self._paint('red', 'bot  no answer')} in {time}")
            return
        first, *rest = self.short(exchange.answer).splitlines()
        bot = self._paint("green", "bot")
        self.line(f"{indent}{bot}  {first}  {self._paint('dim', f'({time})')}")
        for more in rest:
            self.line(f"{indent}     {more}")

    def table(self, seen: Sequence[Observation]) -> None:
        """Show one row per place."""
        head = ("place", "profile", "pid", "model", "HOME", "cwd", "reply")
        rows = [self._row(observation) for observation in seen]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        self.line()
        for row in (head, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            text = "  ".join(cells).rstrip()
            self.line(self._paint("bold", text) if row is head else text)

    def _row(self, seen: Observation) -> tuple[str, ...]:
        models = sorted({model for model, _ in seen.asked})
        seconds = seen.reply_seconds
        return (
            seen.place.label,
            seen.place.profile,
            str(seen.pid or "?"),
            ", ".join(models) or "?",
            self.short(seen.told("HOME")) or "?",
            self.short(seen.told("cwd")) or "?",
            "?" if seconds is None else f"{seconds:.1f} s",
        )

    def check(self, check: Check) -> None:
        """Show one claim and how it fared."""
        word = self._paint("green", "ok    ") if check.ok else self._paint("red", "FAILED")
        self.line(f"  {word}  {check.claim}")
        for detail in check.details:
            self.line(f"          {detail}")

    def verdict(self, checks: Sequence[Check]) -> None:
        """Show the last line."""
        wrong = sum(not check.ok for check in checks)
        if wrong:
            self.line(self._paint("red", f"\n{wrong} of {len(checks)} checks FAILED."))
        else:
            self.line(self._paint("green", f"\nAll {len(checks)} checks are ok."))

    def short(self, text: str) -> str:
        """Return a text with the demo's folder left out of its paths."""
        return text.replace(f"{self._folder}{os.sep}", "").replace(self._folder, ".")

    def _paint(self, colour: str, text: str) -> str:
        if not self._coloured:
            return text
        lead = len(text) - len(text.lstrip("\n"))
        return f"{text[:lead]}\033[{_CODES[colour]}m{text[lead:]}\033[0m"
