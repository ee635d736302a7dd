"""The numbers that the installed Hermes writes into a home, and how a newer Hermes's are told."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_router.hermes.compat.home_stamps import HomeStamps, newer_than_installed


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that the installed Hermes itself wrote."""
    importlib.import_module("hermes_state").SessionDB(tmp_path / "state.db").close()
    defaults = importlib.import_module("hermes_cli.config").DEFAULT_CONFIG
    text = f"model: x\n_config_version: {defaults['_config_version']}\n"
    (tmp_path / "config.yaml").write_text(text)
    return tmp_path


def _raise_database(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "state.db")) as database, database:
        assert database.execute("UPDATE schema_version SET version = version + 1").rowcount == 1


def _raise_config(home: Path) -> None:
    file = home / "config.yaml"
    file.write_text(file.read_text().replace("_version: ", "_version: 9"))


def test_a_home_of_the_installed_hermes_is_not_newer(home: Path) -> None:
    assert newer_than_installed(home) == ""


def test_an_empty_home_is_not_newer(tmp_path: Path) -> None:
    assert newer_than_installed(tmp_path) == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "raised"), [("state.db", _raise_database), ("config.yaml", _raise_config)]
)
def test_a_home_of_a_newer_hermes_is_told_by_file(
    home: Path, file: str, raised: Callable[[Path], None]
) -> None:
    raised(home)
    assert newer_than_installed(home).startswith(f"{file} has version ")


def test_what_cannot_be_read_is_not_newer(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    assert newer_than_installed(tmp_path) == ""


def test_the_log_is_told_of_each_home_once(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    _raise_database(home)
    stamps = HomeStamps()
    with caplog.at_level(logging.WARNING):
        stamps.look([home, home.parent])
        stamps.look([home])
    (record,) = caplog.records
    assert str(home) in record.message
    assert "written by a newer Hermes" in record.message
