"""The kanban board as the gateway meets it, with the real board of the installed Hermes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMMON = """
import json, os, subprocess
from pathlib import Path
from types import SimpleNamespace
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.features.kanban import Kanban
from hermes_cli import kanban_db as board

settings = SimpleNamespace(launcher="local", env=SimpleNamespace(names=[]), share=())
config = SimpleNamespace(
    worker_profiles=lambda: ["career"],
    settings=lambda name: settings,
    gateway_profile="default",
    decide=lambda place: SimpleNamespace(action="worker", profile="career"),
)
kanban = Kanban(
    lambda: config, root=Path(os.environ["HERMES_HOME"]), initial={"PATH": "/bin"},
    seen=SimpleNamespace(of=lambda profile: []))
kanban._subscriptions.served = lambda row, config: row  # the policy has tests of its own
kanban.install(SimpleNamespace(_deliver_kanban_artifacts=None))
"""

SPAWN = (
    COMMON
    + """
class Task(SimpleNamespace):
    def __getattr__(self, name):
        return None

class Started:
    pid = 7
    def __init__(self, command, **options):
        print(json.dumps(dict(options["env"])))

subprocess.Popen = Started
spawn = patching.owner_of(patches.KANBAN_SPAWN)._default_spawn
task = Task(id="t_1", title="A card", assignee="career", goal_mode=False, skills=[])
spawn(task, os.environ["HERMES_HOME"])
spawn(Task(**vars(task) | {"assignee": "unrouted"}), os.environ["HERMES_HOME"])
"""
)

SUBSCRIBED = (
    COMMON
    + """
try:
    from hermes_cli import kanban_db_connect as connecting, kanban_db_notify as notify
except ImportError:
    connecting = notify = board
with connecting.connect_closing() as db:
    for owner in ("career", "elsewhere"):
        card = board.create_task(db, title="A card", assignee="career")
        notify.add_notify_sub(
            db, task_id=card, platform="telegram", chat_id="-1", notifier_profile=owner)
    asked = {"notifier_profiles": {"default"}, "include_unowned": True}
    if patching.owner_of(patches.KANBAN_COUNT) is None:  # Hermes sees the rows of all
        asked = {}
    rows = notify.list_notify_subs(db, **asked)
    print(json.dumps([row["notifier_profile"] for row in rows]))
    print(json.dumps(notify.count_notify_subs(**asked) if asked else 1))
"""
)


def run(tmp_path: Path, code: str) -> list[object]:
    for name in ("career", "unrouted"):
        (tmp_path / "profiles" / name).mkdir(parents=True)
        (tmp_path / "profiles" / name / "SOUL.md").write_text("")
    environment = {"HERMES_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"GATEWAYS_SECRET": "x", "TELEGRAM_BOT_TOKEN": "1:a"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{0123456789"]


def test_the_process_of_a_card_has_its_profiles_environment_alone(tmp_path: Path) -> None:
    routed, unrouted = run(tmp_path, SPAWN)
    assert isinstance(routed, dict)
    assert isinstance(unrouted, dict)
    assert routed["HERMES_KANBAN_TASK"] == unrouted["HERMES_KANBAN_TASK"] == "t_1"
    assert not {"GATEWAYS_SECRET", "TELEGRAM_BOT_TOKEN"} & set(routed)
    assert "GATEWAYS_SECRET" in unrouted  # Hermes's own way, which is not ours to change


def test_the_gateway_serves_what_routed_profiles_subscribed_to(tmp_path: Path) -> None:
    owners, count = run(tmp_path, SUBSCRIBED)
    assert isinstance(owners, list)
    assert "career" in owners
    assert count == 1 or owners == ["career", "elsewhere"]
