"""Playing scenarios on both sides at once, and comparing what they did."""

from __future__ import annotations

import difflib
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.kit import FORUM
from tests.tools.parity.differences import DIFFERENCES, Difference
from tests.tools.parity.record import Record
from tests.tools.parity.registry import Scenario
from tests.tools.parity.scene import ASIDE, Scene
from tests.tools.parity.settings import Setting
from tests.tools.parity.sides import FIRST_USER, Side, running

FIRST_TOPIC = 2_000


@dataclass(frozen=True)
class Row:
    """What came of one scenario."""

    scenario: Scenario
    plain: str
    routed: str
    allowed: tuple[Difference, ...]
    """Differences that are on the list, and were there."""
    wrong: tuple[str, ...]
    """Lines of a difference that is not on the list, or why it could not be played."""

    @property
    def verdict(self) -> str:
        """Return what the table says."""
        if self.wrong:
            return "DIFFERENT"
        return "same, but: " + ", ".join(d.name for d in self.allowed) if self.allowed else "same"


def play_all(scenarios: Sequence[Scenario]) -> Iterator[Row]:
    """Play scenarios, those with one setting after each other, and yield the rows."""
    numbered = {id(scenario): number for number, scenario in enumerate(scenarios)}
    order = sorted(scenarios, key=lambda s: (_settings(scenarios).index(s.setting), s.point))
    for setting, group in groupby(order, key=lambda scenario: scenario.setting):
        yield from _play_setting(setting, list(group), numbered, len(scenarios))


def _settings(scenarios: Iterable[Scenario]) -> list[Setting]:
    found: list[Setting] = []
    for scenario in scenarios:
        if scenario.setting not in found:
            found.append(scenario.setting)
    return found


def _play_setting(
    setting: Setting, scenarios: list[Scenario], numbered: dict[int, int], users: int
) -> Iterator[Row]:
    folder = Path(tempfile.mkdtemp(prefix="parity-"))
    try:
        with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
            sides = [
                stack.enter_context(running("plain", folder / "side-a", setting, users)),
                stack.enter_context(running("routed", folder / "side-b", setting, users)),
            ]
            list(pool.map(_warm_up, sides))
            for scenario in scenarios:
                number = numbered[id(scenario)]
                results = list(pool.map(lambda side: _play(side, scenario, number), sides))  # noqa: B023 - used up in the same round
                yield _row(scenario, *results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _warm_up(side: Side) -> None:
    """Have one answer before anything counts."""
    Scene(side, FORUM, ASIDE, FIRST_USER).greet()


def _play(side: Side, scenario: Scenario, number: int) -> Record | str:
    """Play a scenario on one side; returns what happened, or why it could not be played."""
    place = _place(side, scenario, number)
    try:
        scenario.play(place)
        place.settle()
    except Exception:  # noqa: BLE001 - boundary: it is shown in the table
        side.telegram.clear_faults()
        side.give_up()
        return f"{side.name}: {traceback.format_exc(limit=-4)}"
    side.telegram.clear_faults()
    return Record(place)


def _place(side: Side, scenario: Scenario, number: int) -> Scene:
    user = FIRST_USER + number
    if scenario.place == "dm":
        return Scene(side, user, None, user)
    return Scene(side, FORUM, FIRST_TOPIC + number, user)


def _row(scenario: Scenario, plain: Record | str, routed: Record | str) -> Row:
    if isinstance(plain, str) or isinstance(routed, str):
        failed = tuple(text for text in (plain, routed) if isinstance(text, str))
        shown = ["failed" if isinstance(r, str) else r.summary() for r in (plain, routed)]
        return Row(scenario, shown[0], shown[1], (), failed)
    allowed, wrong = compare(plain.lines, routed.lines, scenario)
    return Row(scenario, plain.summary(), routed.summary(), allowed, wrong)


def compare(
    plain: list[str], routed: list[str], scenario: Scenario
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Return the differences on the list that were found, and the lines that are not on it."""
    used: list[Difference] = []
    for difference in DIFFERENCES:
        if difference.applies_to(scenario.title):
            plain, at_plain = difference.without(plain, "plain")
            routed, at_routed = difference.without(routed, "routed")
            if at_plain or at_routed:
                used.append(difference)
    if plain == routed:
        return tuple(used), ()
    diff = difflib.unified_diff(plain, routed, "plain", "routed", lineterm="", n=0)
    return tuple(used), tuple(line for line in diff if not line.startswith("@@"))[2:]
