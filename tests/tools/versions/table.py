"""What came of the tests on each version, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

from tests.tools.versions.scenarios import SCENARIOS

_CONTRACT = "tests/contract/"
_NOT_RUN = "not run"
_WIDTH = 52
_HEAD = ("Hermes", "Python", "tests of what Hermes has and does", "core scenarios", "what fails")


@dataclass
class Outcome:
    """What one version's tests gave: the id of each test, and whether it passed.

    ``hermes`` is what the tested Hermes calls itself; ``trouble`` says why nothing ran.
    """

    version: str
    hermes: str = ""
    python: str = ""
    passed: dict[str, bool] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    trouble: str = ""

    def add(self, report: str) -> None:
        """Take in a JUnit report of pytest."""
        for case in ET.fromstring(report).iter("testcase"):
            name = _test_of(case.get("classname", ""), case.get("name", ""))
            failed = case.find("failure") is not None or case.find("error") is not None
            if case.find("skipped") is not None:
                self.skipped.add(name)
            else:
                self.passed[name] = self.passed.get(name, True) and not failed

    def contract(self) -> tuple[int, int]:
        """Return how many contract tests passed, of how many."""
        found = [ok for name, ok in self.passed.items() if _CONTRACT in name]
        return sum(found), len(found)

    def works(self, tests: Iterable[str]) -> bool | None:
        """Return True if all tests of a scenario passed; None if one of them did not run."""
        found = [self.passed.get(test) for test in tests]
        if False in found:
            return False
        return None if None in found else True

    @property
    def good(self) -> bool:
        """True if something ran, and all of it passed."""
        return bool(self.passed) and all(self.passed.values()) and not self.trouble

    def summary(self) -> Summary:
        """Return what the README tells of it."""
        works = {title: self.works(tests) for title, tests in SCENARIOS.items()}
        contract = [name for name, ok in self.passed.items() if not ok and _CONTRACT in name]
        return Summary(
            hermes=self.hermes or self.version,
            python=self.python,
            contract=list(self.contract()),
            scenarios=[title for title, ok in works.items() if ok],
            fails=[title for title, ok in works.items() if ok is False] + contract,
        )


@dataclass
class Summary:
    """One row of the README's table. ``scenarios`` are the titles of those that work.

    One that a Hermes has nothing for, so that its tests are skipped, is neither there nor in
    ``fails``.
    """

    hermes: str
    python: str
    contract: list[int]
    scenarios: list[str]
    fails: list[str]

    @property
    def key(self) -> str:
        """What identifies a row: a later run with the same key replaces it."""
        return f"{self.hermes} on {self.python}"

    def fields(self) -> dict[str, Any]:
        """Return it as it is kept in a file."""
        return asdict(self)

    def over(self, earlier: Summary) -> Summary:
        """Return what is known after a run of a part: its outcomes replace those in ``earlier``."""
        tried = {*self.scenarios, *self.fails}
        contract = self.contract if self.contract[1] else earlier.contract
        kept = [
            title
            for title in earlier.fails
            if title not in tried and (title in SCENARIOS or not self.contract[1])
        ]
        works = [title for title in earlier.scenarios if title not in tried]
        return replace(
            self,
            contract=contract,
            scenarios=[title for title in SCENARIOS if title in {*works, *self.scenarios}],
            fails=[*self.fails, *kept],
        )


def _test_of(classname: str, name: str) -> str:
    """Return the id of a test as pytest takes it, without its parameters."""
    return f"{classname.replace('.', '/')}.py::{name.partition('[')[0]}"


def rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Return the table for a terminal: a row per scenario, a column per version."""
    contract = [_share(*outcome.contract()) for outcome in outcomes]
    found = [["tests of what Hermes has and does", *contract]]
    for title, tests in SCENARIOS.items():
        found.append([title, *(_word(outcome.works(tests)) for outcome in outcomes)])
    return found


def not_run(hermes: str, python: str) -> Summary:
    """Return the row of a Hermes that nothing is known of."""
    return Summary(hermes, python, [0, 0], [], [])


def _share(passed: int, of: int) -> str:
    return f"{passed} of {of}" if of else _NOT_RUN


def _word(works: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[works]


def markdown(summaries: Iterable[Summary]) -> str:
    """Return the README's table: a row per version."""
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_row, summaries)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(summary: Summary) -> tuple[str, ...]:
    passed, of = summary.contract
    works, broken = (SCENARIOS.keys() & titles for titles in (summary.scenarios, summary.fails))
    scenarios = _share(len(works), len(works) + len(broken))
    fails = "; ".join(summary.fails)
    return summary.hermes, summary.python, _share(passed, of), scenarios, fails


def plain(outcomes: Sequence[Outcome]) -> str:
    """Return the table for a terminal, with the tests that failed below."""
    head = ["", *(outcome.version for outcome in outcomes)]
    lines = [
        f"{title:{_WIDTH}.{_WIDTH}}" + "".join(f"{cell:>12}" for cell in cells)
        for title, *cells in [head, *rows(outcomes)]
    ]
    for outcome in outcomes:
        failed = [name for name, ok in outcome.passed.items() if not ok]
        lines += [f"\n{outcome.version}: {outcome.trouble}"] if outcome.trouble else []
        lines += [f"\n{outcome.version}: {len(failed)} tests failed"] if failed else []
        lines += [f"  {name}" for name in failed]
    return "\n".join(lines)
