"""The kanban board's folder for sandboxes: its database is moved whole, once, and never in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hermes_router.base.errors import ProfileError
from hermes_router.workers.launchers import board
from hermes_router.workers.launchers.view import View


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as Hermes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS tasks (title TEXT)")
        yield connection


def titles(connection: sqlite3.Connection) -> list[str]:
    return [title for (title,) in connection.execute("SELECT title FROM tasks ORDER BY rowid")]


def share(root: Path, patience: float = 0.5) -> View:
    view = View()
    view.hide(root)
    board.show(view, root, "kids", patience=patience)
    return view


def test_a_board_that_exists_is_moved_whole_and_found_where_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "kanban.db") as before:
        before.execute("INSERT INTO tasks VALUES ('an old card')")
    share(tmp_path)
    inside = tmp_path / "kanban" / "boards" / "default" / "kanban.db"
    assert (tmp_path / "kanban.db").is_symlink()
    with opened(tmp_path / "kanban.db") as outer, opened(inside) as inner:
        inner.execute("INSERT INTO tasks VALUES ('from inside')")
        outer.execute("INSERT INTO tasks VALUES ('from outside')")
        assert titles(inner) == titles(outer) == ["an old card", "from inside", "from outside"]
        assert inside.with_name("kanban.db-wal").exists()
    assert not list(tmp_path.glob("kanban.db-*"))


def test_a_board_that_does_not_exist_yet_will_be_in_its_folder(tmp_path: Path) -> None:
    share(tmp_path)
    share(tmp_path)
    with opened(tmp_path / "kanban.db") as outer:
        outer.execute("INSERT INTO tasks VALUES ('the first')")
    with opened(tmp_path / "kanban" / "boards" / "default" / "kanban.db") as inner:
        assert titles(inner) == ["the first"]


def test_a_board_in_use_stays_where_it_is(tmp_path: Path) -> None:
    with opened(tmp_path / "kanban.db") as used:
        used.execute("INSERT INTO tasks VALUES ('a card')")
        with pytest.raises(ProfileError, match="it is in use"):
            share(tmp_path)
        assert not (tmp_path / "kanban.db").is_symlink()
        used.execute("INSERT INTO tasks VALUES ('another')")
        assert titles(used) == ["a card", "another"]
    share(tmp_path)
    assert (tmp_path / "kanban.db").is_symlink()


def test_two_databases_are_an_error_and_both_stay(tmp_path: Path) -> None:
    inside = tmp_path / "kanban" / "boards" / "default" / "kanban.db"
    inside.parent.mkdir(parents=True)
    for path in (tmp_path / "kanban.db", inside):
        with opened(path) as made:
            made.execute("INSERT INTO tasks VALUES (?)", (str(path),))
    with pytest.raises(ProfileError, match="kanban"):
        share(tmp_path)
    for path in (tmp_path / "kanban.db", inside):
        with opened(path) as kept:
            assert titles(kept) == [str(path)]


def test_a_sandbox_is_shown_the_folder_and_nothing_else_of_the_root(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET=1")
    view = share(tmp_path)
    arguments = " ".join(view.arguments())
    assert f"--bind {tmp_path}/kanban {tmp_path}/kanban" in arguments
    assert f"--symlink kanban/boards/default/kanban.db {tmp_path}/kanban.db" in arguments
    assert view.shows(tmp_path / "kanban" / "boards")
    assert not view.shows(tmp_path / ".env")
