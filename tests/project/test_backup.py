"""A backup that is made and restored as docs/operating.md says brings the router back."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
_ROUTES = 'gateway: {profile_routes: {telegram: {"5550001": career}}}\n'
_MODEL = (
    "model: {default: any, provider: custom, base_url: 'http://127.0.0.1:9/v1', api_key: any}\n"
)
_KEPT = "hermes-router/conversations.json"
_OPEN = (
    "hermes-router/ledger.jsonl",
    "hermes-router/background/1.json",
    "profiles/career/hermes-router/waiting/1.json",
)
_BOARD = "kanban/boards/default/kanban.db"

#: These act on a service of the account, which no test may do.
_NOT_RUN = ("hermes gateway stop", "hermes gateway start")


def commands() -> list[str]:
    """Return the commands of the section, in their order."""
    section = PAGE.read_text("utf-8").partition("\n## Backup\n")[2].partition("\n## ")[0]
    return re.findall(r"^ {4}(.+)$", section, re.MULTILINE)


def run(command: str, account: Path, folder: Path) -> str:
    """Run a command in a folder, as somebody whose HOME is ``account``."""
    environ = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "HOME": str(account),
        "HERMES_DISABLE_LAZY_INSTALLS": "1",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Path]:
    """Yield the HOME of somebody whose gateway has a route and uses its databases."""
    home = tmp_path / "account" / ".hermes"
    files = {
        "config.yaml": _ROUTES,
        "profiles/career/config.yaml": _MODEL,
        "profiles/career/hermes-router/upkeep.json": "{}",
        _KEPT: '{"known": true}',
        **dict.fromkeys(_OPEN, "{}\n"),
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, "utf-8")
    (home / _BOARD).parent.mkdir(parents=True)
    (home / "kanban.db").symlink_to(_BOARD)
    with (
        closing(sqlite3.connect(home / "profiles/career/state.db")) as sessions,
        closing(sqlite3.connect(home / _BOARD)) as board,
    ):
        for database in (sessions, board):
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE said (words TEXT)")
            database.execute("INSERT INTO said VALUES ('kept')")
            database.commit()
        yield home.parent


def said(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        [(words,)] = connection.execute("SELECT words FROM said").fetchall()
    return str(words)


def test_a_backup_of_homes_in_use_is_restored_without_what_was_open(
    account: Path, tmp_path: Path
) -> None:
    backup, *restore, link = commands()
    restored = tmp_path / "restored" / ".hermes"
    restored.mkdir(parents=True)
    run(backup, account, tmp_path)
    shown = [run(one, restored.parent, tmp_path) for one in restore if one not in _NOT_RUN]
    assert len(shown) == len(restore) - len(_NOT_RUN)
    assert "career" in shown[-1]
    assert (restored / _KEPT).read_text("utf-8") == (account / ".hermes" / _KEPT).read_text("utf-8")
    assert [name for name in _OPEN if (restored / name).exists()] == []
    assert said(restored / "profiles/career/state.db") == "kept"
    assert not (restored / "kanban.db").exists()
    run(link, restored.parent, tmp_path)
    assert said(restored / "kanban.db") == "kept"
