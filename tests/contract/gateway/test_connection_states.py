"""Hermes's own writer of platform states, and what `doctor` and `status` read from its file."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from hermes_router.cli.inspect.checks import connections


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return importlib.import_module("gateway.status").write_runtime_status


def test_what_hermes_writes_is_read(write: Any, tmp_path: Path) -> None:
    write(platform="telegram", platform_state="fatal", error_code="telegram_bad_token")
    write(platform="discord", platform_state="connected", error_code=None, error_message=None)
    write(platform="finance:slack", platform_state="retrying", error_message="502 of 1:AB")
    found = connections.unconnected(tmp_path, os.getpid())
    assert [(one.platform, one.bot, one.state, one.code) for one in found] == [
        ("telegram", None, "fatal", "telegram_bad_token"),
        ("slack", "finance", "retrying", ""),
    ]
    assert connections.unconnected(tmp_path, 1) == []
