"""What came of the tests on each version, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from tests.tools.versions.scenarios import SCENARIOS

_WIDTH = 52


@dataclass
class Outcome:
    """What one version's tests gave: the id of each test, and whether it passed.

    ``hermes`` is what the tested Hermes calls itself; ``trouble`` says why nothing ran.
    """

    version: str
    hermes: str = ""
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
        found = [ok for name, ok in self.passed.items() if name.startswith("tests/contract/")]
        return sum(found), len(found)

    def works(self, tests: Iterable[str]) -> bool | None:
        """Say whether a scenario works; None if its tests did not run."""
        found = [self.passed[test] for test in tests if test in self.passed]
        return all(found) if found else None

    @property
    def good(self) -> bool:
        """Did something run, and all of it pass."""
        return bool(self.passed) and all(self.passed.values()) and not self.trouble


def _test_of(classname: str, name: str) -> str:
    """Return the id of a test as pytest takes it, without its parameters."""
    return f"{classname.replace('.', '/')}.py::{name.partition('[')[0]}"


def rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Return the table: a row per scenario, a column per version."""
    contract = [_share(*outcome.contract()) for outcome in outcomes]
    found = [["tests of what Hermes has and does", *contract]]
    for title, tests in SCENARIOS.items():
        found.append([title, *(_word(outcome.works(tests)) for outcome in outcomes)])
    return found


def _share(passed: int, of: int) -> str:
    return f"{passed} of {of}" if of else "-"


def _word(works: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "-"}[works]


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the table for the README."""
    head = ["", *(outcome.hermes or outcome.version for outcome in outcomes)]
    lines = [head, ["---"] * len(head), *rows(outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(outcomes: Sequence[Outcome]) -> str:
    """Return the table for a terminal, with the tests that failed below."""
    head = ["", *(outcome.version for outcome in outcomes)]
    lines = [
        f"{title:{_WIDTH}.{_WIDTH}}" + "".join(f"{cell.strip('*'):>12}" for cell in cells)
        for title, *cells in [head, *rows(outcomes)]
    ]
    for outcome in outcomes:
        failed = [name for name, ok in outcome.passed.items() if not ok]
        lines += [f"\n{outcome.version}: {outcome.trouble}"] if outcome.trouble else []
        lines += [f"\n{outcome.version}: {len(failed)} tests failed"] if failed else []
        lines += [f"  {name}" for name in failed]
    return "\n".join(lines)


def shown(outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """Return the outcomes, oldest version first."""
    return [outcomes[version] for version in sorted(outcomes)]
