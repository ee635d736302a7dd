"""`python -m tests.tools.settings_table`: writes the tables of settings into docs/settings.md.

A default is shown as a person would write it in YAML, so that it can be copied into a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from hermes_router.config import settings
from hermes_router.config.settings import (
    Block,
    Metrics,
    Schedule,
    Settings,
    TurnBudget,
    WarmBudget,
    describe_settings,
)

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN = "<!-- settings: written by `python -m tests.tools.settings_table` -->\n"
END = "<!-- end of settings -->\n"

_SIZES = (
    *(("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)),
    *(("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)),
)
_DURATIONS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
#: The settings of which a person would rather write on and off than true and false.
_SWITCHES = frozenset({"sandbox.network"})


class Row(NamedTuple):
    """A setting: its key path, its default as YAML ("" if none can be written), and its text."""

    key: str
    default: str
    text: str


#: The settings of the gateway that belong to no group of settings.
_SINGLE = (
    Row(
        "unmatched",
        "default",
        "who answers messages without a route: default (Hermes itself), deny (nobody) or a "
        "profile's name; or a mapping of platforms to these, where default is for all others",
    ),
    Row(
        "missing_profile",
        "notice",
        "what a route to a profile that does not exist does: it answers with a notice",
    ),
    Row(
        "routes_file",
        "",
        "a further file with routes; the path may be relative to the folder of config.yaml",
    ),
)
_GROUPS: tuple[tuple[str, type[Block]], ...] = (
    ("warm_budget", WarmBudget),
    ("turn_budget", TurnBudget),
    ("metrics", Metrics),
    ("schedule", Schedule),
)
_BLOCKS = (
    Row("defaults", "{}", "settings of all routed profiles: see the next table"),
    Row("profiles", "{}", "a mapping of profiles to settings that replace those in `defaults`"),
)


def gateway_rows() -> list[Row]:
    """Return the settings of the gateway as a whole, in the order of the example."""
    grouped = [row for name, group in _GROUPS for row in _rows(group, f"{name}.")]
    return [*_SINGLE, *grouped, *_BLOCKS]


def profile_rows() -> list[Row]:
    """Return the settings of one profile."""
    return list(_rows(Settings))


def _rows(block: type[Block], prefix: str = "") -> Iterator[Row]:
    units = dict(_units(block, prefix))
    for key, default, text in describe_settings(block, prefix):
        yield Row(key, _written(key, default, units[key]), text)


def _units(block: type[Block], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the key path of each setting, and the unit that the reader knows for it, or ""."""
    for field in structs.fields(block):
        key = f"{prefix}{field.encode_name}"
        if isinstance(field.default, Block):
            yield from _units(type(field.default), f"{key}.")
        else:
            yield key, settings._unit(block(), field.name, field.type)


def _written(key: str, default: Any, unit: str) -> str:
    """Return a default as it would be written in YAML."""
    if default is None:
        return "null"
    if isinstance(default, bool):
        words = ("off", "on") if key in _SWITCHES else ("false", "true")
        return words[default]
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    if unit and default:
        return _with_unit(default, _SIZES if unit == "bytes" else _DURATIONS)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _with_unit(number: float, units: Iterable[tuple[str, int]]) -> str:
    """Return a number with the first unit that gives a whole number."""
    for name, size in units:
        if number >= size and number % size == 0:
            return f"{number / size:.0f}{name}"
    return f"{number:g}"


def table() -> str:
    """Return the settings as two Markdown tables with headings."""
    return (
        f"## For the gateway as a whole\n\n{_table(gateway_rows())}\n"
        f"## For each profile\n\n{_table(profile_rows())}"
    )


def _table(shown_rows: list[Row]) -> str:
    rows = [("setting", "default", "what it is"), ("---", "---", "---")]
    for key, default, text in shown_rows:
        shown = f"`{default}`" if default else "none"
        rows.append((f"`{key}`", shown, text.replace("|", r"\|")))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str) -> str:
    """Return the page's text with the tables as they must be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> int:
    """Write the tables."""
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
