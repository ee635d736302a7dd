"""The table: every leak class, family by family."""

from __future__ import annotations

from tests.leaks import environment, paths, stores
from tests.leaks.row import Row

FAMILIES: dict[str, tuple[Row, ...]] = {
    "environment": environment.ROWS,
    "paths": paths.ROWS,
    "stores": stores.ROWS,
}

ROWS: tuple[Row, ...] = tuple(row for rows in FAMILIES.values() for row in rows)
