"""Point 8: a conversation goes on from turn to turn, each in another process when it is routed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from tests.kit import Reply
from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import NO_QUESTIONS, RESETS


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


@scenario("/resume and /sessions", point=8, setting=NO_QUESTIONS)
def resume(scene: Scene) -> None:
    _talk(scene, "one", "/title The first one", "/new", "two", "/title The second one")
    _talk(
        scene, "/sessions", "/resume", "/resume The first one", "three", "/resume no such", "four"
    )


@scenario("/branch", point=8, setting=NO_QUESTIONS)
def branch(scene: Scene) -> None:
    _talk(scene, "one", "/title The trunk", "/branch The side", "two", "/resume The trunk", "three")


@scenario("/undo and /retry across turns", point=8, setting=NO_QUESTIONS)
def undo(scene: Scene) -> None:
    listed = tool("terminal", command="echo undone-tool")
    _talk(scene, "one", f"{listed} two", "/undo", "three", "/retry", "/undo 2", "four")


@scenario("/compress", point=8, setting=NO_QUESTIONS)
def compress(scene: Scene) -> None:
    _talk(scene, "one", "two", "three", "four", "/compress", "five", "/undo", "six")


_MORE = '{"verdict": "continue", "reason": "There is more to do."}'


@scenario("a goal that takes two turns", point=8, setting=NO_QUESTIONS)
def goal(scene: Scene) -> None:
    scene.model.script(Reply(_MORE), kind="goal_judge", times=1)
    scene.say("/goal Count the boats")
    scene.answer("achieved")
    scene.settle()
    _talk(scene, "/goal status", "after it", "/goal clear")


@scenario("a goal with parts, paused and cleared", point=8, setting=NO_QUESTIONS)
def goal_paused(scene: Scene) -> None:
    scene.model.script(Reply(_MORE), kind="goal_judge", times=1)
    scene.script(Reply("Two boats.", delay=3), "Continuing toward")
    scene.say("/goal Count the boats")
    scene.request("Continuing toward")
    scene.ask("/goal pause")
    scene.answer("Two boats", after=scene.begin)
    scene.settle()
    _talk(scene, "/subgoal the red ones", "/subgoal", "/goal", "/goal clear", "/goal status")


def _outdated(hours: int) -> Callable[[Scene], None]:
    """Talk, and go on after so many hours. Rather than wait, the session's time is moved."""

    def play(scene: Scene) -> None:
        _talk(scene, "one", "two")
        scene.restart(lambda: _last_used(scene, datetime.now() - timedelta(hours=hours)))  # noqa: DTZ005 - Hermes's way
        _talk(scene, "three", "four", "/status")

    return play


def _last_used(scene: Scene, when: datetime) -> None:
    place = str(scene.thread_id)
    path = scene.side.profile.path / "state.db"
    with closing(sqlite3.connect(path, timeout=20)) as database, database:
        found = database.execute("SELECT rowid, entry_json FROM gateway_routing").fetchall()
        entries = {number: json.loads(text) for number, text in found}
        ours = {n: e for n, e in entries.items() if (e.get("origin") or {})["thread_id"] == place}
        for number, entry in ours.items():
            changed = json.dumps(entry | {"updated_at": when.isoformat()})
            database.execute(
                "UPDATE gateway_routing SET entry_json=? WHERE rowid=?", (changed, number)
            )
    scene.note(f"a session was made old: {bool(ours)}")


for _title, _hours in (
    ("a session of yesterday, ended by the day", 30),
    ("a session that was idle for too long", 60),
    ("a session that goes on after a restart", 0),
):
    scenario(_title, point=8, setting=RESETS)(_outdated(_hours))
