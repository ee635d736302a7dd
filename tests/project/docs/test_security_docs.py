"""docs/security.md and docs/leaks.md: each claim names tests that exist, and rows that are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hermes_router.protocol.system.versions import NEWEST_TESTED
from tests.tools.leaks.row import SIDES, Row, expected
from tests.tools.leaks.rows import ROWS

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
LEAKS = (ROOT / "docs" / "leaks.md").read_text("utf-8")
KEYS = {row.key for row in ROWS}
FILES = dict(re.findall(r"`(\w)` is\s+`(tests/[\w/]+\.py)`", TEXT))


def table(text: str, first_cell: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is this."""
    lines = text[text.index(f"| {first_cell} |") :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


CLAIMS = table(TEXT, "Threat")


def test_the_files_of_the_tests_are_there() -> None:
    assert len(FILES) > 8
    assert [path for path in FILES.values() if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("cells", CLAIMS, ids=lambda cells: cells[0][:60])
def test_each_claim_names_tests_that_exist(cells: list[str]) -> None:
    threat, local, sandbox, shown = cells
    if shown == "-":
        # What is possible everywhere needs no test: nothing is promised.
        assert (local, sandbox) == ("**yes**", "**yes**"), threat
        return
    for reference in shown.split("; "):
        assert _exists(reference), f"{reference!r} of {threat!r} names no test"


def _exists(reference: str) -> bool:
    letter, colon, part = reference.partition(": ")
    if not colon:
        return reference in KEYS
    source = (ROOT / FILES[letter]).read_text("utf-8")
    return len(re.findall(rf"def (test_\w*{re.escape(part)}\w*)\(", source)) == 1


def test_a_name_that_no_test_has_is_found_out() -> None:
    assert not _exists("s: no_such_test_is_there")
    assert not _exists("Z99")
    assert not _exists("s: a")  # many have that


def test_the_rows_that_the_text_names_exist() -> None:
    named = set(re.findall(r"(?<![\w/`.-])[A-Z]\d+[a-z]?\b", TEXT))
    assert {"C8", "A5", "P1"} <= named <= KEYS


def test_the_table_of_leaks_has_the_rows_of_the_suite_in_their_order() -> None:
    rows = re.findall(r"^\| ([A-Z]\w+) \| (.*?) \| ", LEAKS, re.MULTILINE)
    assert rows == [(row.key, row.what) for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_the_table_of_leaks_is_what_a_green_run_prints(row: Row) -> None:
    """Compare the states of each line with what the row demands, so that none is out of date."""
    (line,) = re.findall(rf"^\| {row.key} \| .*$", LEAKS, re.MULTILINE)
    cells = [cell.strip() for cell in line.strip("|").split(" | ")][2:5]
    for side, cell in zip(SIDES, cells, strict=True):
        leaks = expected(row, side, NEWEST_TESTED)
        wanted = "not applicable" if side in row.absent else "leaks" if leaks else "isolated"
        assert cell.startswith(wanted), (side, cell)
