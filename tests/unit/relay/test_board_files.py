"""What a finished card may attach where a sandbox writes to the board."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from hermes_router.relay.board_files import copies


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "kanban"
    (folder / "attachments").mkdir(parents=True)
    (tmp_path / "to").mkdir()
    return folder


def sent(board: Path, *paths: Path, most: int = 100) -> list[bytes]:
    found = copies(map(str, paths), board, board.parent / "to", most=most)
    return [Path(path).read_bytes() for path in found]


def test_a_file_of_the_board_is_sent_under_its_name(board: Path) -> None:
    report = board / "attachments" / "report.txt"
    report.write_bytes(b"the report")
    assert sent(board, report, report) == [b"the report"]
    assert [path.name for path in (board.parent / "to").rglob("*.txt")] == ["report.txt"]


def test_nothing_else_is_sent(board: Path) -> None:
    secret = board.parent / ".env"
    secret.write_bytes(b"SECRET=1")
    link = board / "attachments" / "link.txt"
    link.symlink_to(secret)
    folder = board / "elsewhere"
    folder.symlink_to(board.parent)
    pipe = board / "pipe"
    os.mkfifo(pipe)
    large = board / "large"
    large.write_bytes(b"x" * 101)
    up = board / ".." / ".env"
    missing = board / "missing"
    before = psutil.Process().num_fds()
    assert sent(board, secret, link, folder / ".env", pipe, large, up, missing, board) == []
    assert psutil.Process().num_fds() == before
