"""Find the files of Hermes's kanban board."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Return the folder of Hermes's kanban board, below which cards keep their files."""
    board: Any = importlib.import_module("hermes_cli.kanban_db")
    return Path(board.kanban_home()) / "kanban"
