"""The table: every leak class, family by family."""

from __future__ import annotations

from tests.tools.leaks.families import (
    account,
    control,
    environment,
    fate,
    jobs,
    outside,
    paths,
    policy,
    process,
    stores,
)
from tests.tools.leaks.row import Row

FAMILIES: dict[str, tuple[Row, ...]] = {
    "environment": environment.ROWS,
    "paths": paths.ROWS,
    "stores": stores.ROWS,
    "policy": policy.ROWS,
    "outside": outside.ROWS,
    "jobs": jobs.ROWS,
    "control": control.ROWS,
    "process": process.ROWS,
    "fate": fate.ROWS,
    "account": account.ROWS,
}

ROWS: tuple[Row, ...] = tuple(row for rows in FAMILIES.values() for row in rows)
