"""The scenarios by name: `@scenario` enters one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import PLAIN, Setting

Play = Callable[[Scene], None]
Place = Literal["topic", "dm"]


@dataclass(frozen=True)
class Scenario:
    """One thing that a conversation can do."""

    title: str
    point: int
    """Of the list of what has to work: 1 streaming, 2 prompts, 3 busy, 4 commands, ..."""
    play: Play
    setting: Setting
    place: Place
    quick: bool


SCENARIOS: list[Scenario] = []


def scenario(
    title: str,
    *,
    point: int,
    setting: Setting = PLAIN,
    place: Place = "topic",
    quick: bool = False,
) -> Callable[[Play], Play]:
    """Enter a function as a scenario. Raises ValueError when the title is taken."""

    def enter(play: Play) -> Play:
        if any(known.title == title for known in SCENARIOS):
            raise ValueError(f"two scenarios are called {title!r}")
        SCENARIOS.append(Scenario(title, point, play, setting, place, quick))
        return play

    return enter


def talk(*texts: str) -> Play:
    """Say these one after the other, each when the turn before has ended."""

    def play(scene: Scene) -> None:
        for text in texts:
            scene.ask(text, contains="" if text.startswith("/") else text)
            scene.settle()

    return play
