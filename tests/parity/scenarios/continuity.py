"""Point 8: a conversation goes on from turn to turn, each in another process when it is routed."""

from __future__ import annotations

from tests.parity.registry import scenario
from tests.parity.scene import Scene, tool
from tests.parity.settings import Setting

_NO_QUESTIONS = Setting("no confirmations", {"approvals": {"destructive_slash_confirm": False}})


def _talk(scene: Scene, *texts: str) -> None:
    """Say these one after the other, each when the turn before has ended."""
    for text in texts:
        heard = "tool said" if "[[tool" in text else "" if text.startswith("/") else text
        scene.ask(text, contains=heard)
        scene.settle()


@scenario("history with tool calls", point=8, quick=True)
def history(scene: Scene) -> None:
    listed = tool("terminal", command="echo from-a-tool")
    _talk(scene, "one", f"{listed} two", "three", "/reasoning low", "four")


@scenario("/resume and /sessions", point=8, setting=_NO_QUESTIONS)
def resume(scene: Scene) -> None:
    _talk(scene, "one", "/title The first one", "/new", "two", "/title The second one")
    _talk(
        scene, "/sessions", "/resume", "/resume The first one", "three", "/resume no such", "four"
    )


@scenario("/branch", point=8, setting=_NO_QUESTIONS)
def branch(scene: Scene) -> None:
    _talk(scene, "one", "/title The trunk", "/branch The side", "two", "/resume The trunk", "three")


@scenario("/undo and /retry across turns", point=8, setting=_NO_QUESTIONS)
def undo(scene: Scene) -> None:
    listed = tool("terminal", command="echo undone-tool")
    _talk(scene, "one", f"{listed} two", "/undo", "three", "/retry", "/undo 2", "four")


@scenario("/compress", point=8, setting=_NO_QUESTIONS)
def compress(scene: Scene) -> None:
    _talk(scene, "one", "two", "three", "four", "/compress", "five", "/undo", "six")
