"""The README's table of versions, and the file in which what it tells is kept.

A run with ``--write`` puts its outcomes in the file and writes the table anew. What it did not try
stays as earlier runs found it; a version that none of them tried is shown as not run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tests.tools.versions import table
from tests.tools.versions.environments import ROOT, columns
from tests.tools.versions.table import Outcome, Summary

FILE = Path(__file__).with_name("results.json")
README = ROOT / "README.md"
BEGIN = "<!-- made by `make versions ARGS=--write` -->"
END = "<!-- end -->"


def read() -> list[Summary]:
    """Return what is known of each version, oldest Hermes and oldest Python first."""
    found = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    return sorted((Summary(**fields) for fields in found), key=_order)


def write(outcomes: Iterable[Outcome], *, part: bool = False) -> None:
    """Keep new outcomes in place of earlier ones of the same Hermes and Python.

    Those of a part of the tests are laid over what the earlier runs gave.
    """
    known = {summary.key: summary for summary in read()}
    for new in (outcome.summary() for outcome in outcomes):
        earlier = known.get(new.key)
        known[new.key] = new.over(earlier) if part and earlier else new
    kept = [summary.fields() for summary in sorted(known.values(), key=_order)]
    FILE.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")


def _with_those_not_run(known: list[Summary]) -> list[Summary]:
    have = {(summary.hermes, python) for summary in known for python in ("", summary.python)}
    missing = [table.not_run(*column) for column in columns() if column not in have]
    return sorted([*known, *missing], key=_order)


def with_table(page: str) -> str:
    """Return a page with the table between its two marks; as it is where nothing is known."""
    if not (known := read()):
        return page
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"the README lacks {BEGIN}"
    assert end, f"the README lacks {END}"
    return f"{before}{begin}\n\n{table.markdown(_with_those_not_run(known))}\n\n{end}{after}"


def _order(summary: Summary) -> list[tuple[int, ...]]:
    numbers = re.compile(r"\d+")
    return [tuple(map(int, numbers.findall(text))) for text in (summary.hermes, summary.python)]
