"""Point 9: what a profile has of its own."""

from __future__ import annotations

from tests.parity.registry import scenario
from tests.parity.scene import Scene, tool


@scenario("a subagent", point=9)
def subagent(scene: Scene) -> None:
    goal = "look around " + tool("terminal", command="echo child-at=$PWD")
    scene.ask(tool("delegate_task", goal=goal), contains="child-at=/")
