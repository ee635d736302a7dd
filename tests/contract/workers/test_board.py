"""The kanban board as a worker's processes meet it, with the real board of the installed Hermes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hermes_router_worker.hermes.features.kanban import VARIABLE

FOLLOW = """
import os, sys
from pathlib import Path
from hermes_router_worker.hermes.features import kanban
kanban.hide_if_told()
kanban.sign("career")
"""

CARD = """
from hermes_cli import kanban_db as board
try:
    from hermes_cli import kanban_db_connect as connecting, kanban_db_notify as notify
except ImportError:
    connecting = notify = board
with connecting.connect_closing() as db:
    card = board.create_task(db, title="A card", assignee="career")
    notify.add_notify_sub(
        db, task_id=card, platform="telegram", chat_id="-1", notifier_profile="default")
    row = db.execute("SELECT notifier_profile FROM kanban_notify_subs").fetchone()
    print("owner", row[0])
"""

TRY = """
from hermes_cli import kanban_db as board
try:
    from hermes_cli import kanban_db_connect as connecting
except ImportError:
    connecting = board
tries = {
    "connect": lambda: connecting.connect(),
    "connect_closing": lambda: connecting.connect_closing().__enter__(),
    "init_db": lambda: connecting.init_db(),
    "create_board": lambda: board.create_board("mine"),
    "remove_board": lambda: board.remove_board("mine"),
    "set_current_board": lambda: board.set_current_board("mine"),
    "clear_current_board": lambda: board.clear_current_board(),
}
for name, attempt in tries.items():
    try:
        attempt()
    except PermissionError as error:
        print(name, "share: [kanban]" in str(error))
    else:
        print(name, "was let through")
"""

FIRST = "import hermes_cli.kanban_db\n"


def run(tmp_path: Path, code: str, **variables: str) -> list[str]:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"HERMES_HOME": str(home), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_subscription_is_signed_with_the_profile_whatever_it_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, FOLLOW + CARD) == ["owner career"]
    (tmp_path / "other").mkdir()
    assert run(tmp_path / "other", FIRST + FOLLOW + CARD) == ["owner career"]


def test_a_board_that_a_sandbox_hides_is_refused_by_every_way_in(tmp_path: Path) -> None:
    for code in (FOLLOW + TRY, FIRST + FOLLOW + TRY):
        said = run(tmp_path, code, **{VARIABLE: "career"})
        assert said == [
            f"{name} True"
            for name in (
                "connect",
                "connect_closing",
                "init_db",
                "create_board",
                "remove_board",
                "set_current_board",
                "clear_current_board",
            )
        ]
    assert not list(tmp_path.rglob("kanban*"))
