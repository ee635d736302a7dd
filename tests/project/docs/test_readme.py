"""The README is short, and what it says of Hermes's own routing was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hermes_router.protocol.system.versions import NEWEST_TESTED

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "README.md").read_text("utf-8")
MEASURED = (ROOT / "docs" / "leaks.md").read_text("utf-8")

#: A screen and a half: whoever opens the repository sees all of it.
LINES = 75

LEAKS, ISOLATED = "leaks", "isolated"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def measured() -> dict[str, list[str]]:
    """Return the states of each row of docs/leaks.md: in process, in a worker, in a sandbox."""
    rows = [cells(line) for line in re.findall(r"^\| [A-Z]\w+ \|.*\|$", MEASURED, re.MULTILINE)]
    assert len(rows) > 90
    return {row[0]: [cell.partition(":")[0] for cell in row[2:5]] for row in rows}


def claims() -> list[list[str]]:
    """Return the cells of the README's rows that name rows of docs/leaks.md."""
    rows = re.findall(r"^\|.*\| (?:leaks|isolated) \|$", TEXT, re.MULTILINE)
    assert rows
    return [cells(row) for row in rows]


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len(TEXT.splitlines()) <= LINES


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim[1])
def test_each_difference_is_what_the_named_rows_measured(claim: list[str]) -> None:
    _, named, *states = claim
    known = measured()
    for row in named.split(", "):
        assert known[row] == states, row
    assert states[0] == LEAKS
    assert states[2] == ISOLATED


def test_the_number_of_leaks_is_the_number_of_rows_that_leak() -> None:
    known = measured()
    leaks = [sum(row[way] == LEAKS for row in known.values()) for way in range(3)]
    in_process, worker, sandbox = leaks
    row = f"| all rows that leak, of {len(known)} | | {in_process} | {worker} | {sandbox} |"
    assert row in TEXT


def test_the_version_is_the_one_that_was_measured_with_and_the_newest() -> None:
    [told] = re.findall(r"measured with Hermes ([\d.]+):", TEXT)
    [printed] = re.findall(r"when nothing was wrong, with Hermes ([\d.]+)\. ", MEASURED)
    assert told == printed
    assert NEWEST_TESTED.startswith(f"{told}.")


def test_the_readme_shows_the_recording_light_and_dark() -> None:
    for theme in ("light", "dark"):
        assert f'"docs/pictures/demo-{theme}.svg"' in TEXT
