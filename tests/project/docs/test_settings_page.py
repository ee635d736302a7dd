"""docs/settings.md: each default on it can be written into a file, and is the default there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes_router.config import model
from hermes_router.config.reader import BLOCK_KEYS
from hermes_router.config.settings import Settings
from tests.tools.settings_table import PAGE, Row, gateway_rows, profile_rows


def _read(tmp_path: Path, row: Row) -> model.RouterConfig:
    """Return the configuration that a file with only this setting gives."""
    *groups, key = f"hermes_router.{row.key}".split(".")
    heads = [f"{'  ' * depth}{group}:\n" for depth, group in enumerate(groups)]
    file = tmp_path / "config.yaml"
    file.write_text(f"{''.join(heads)}{'  ' * len(groups)}{key}: {row.default}\n", "utf-8")
    config = model.load(file)
    assert config.problems == ()
    return config


def _value(config: Any, path: str) -> Any:
    """Return a setting by its key path; the file's key ``pass`` is ``pass_`` in the code."""
    for name in path.split("."):
        config = getattr(config, "pass_" if name == "pass" else name)
    return config


@pytest.mark.parametrize("row", [r for r in gateway_rows() if r.default], ids=lambda row: row.key)
def test_a_default_of_the_gateway_is_what_the_reader_reads(tmp_path: Path, row: Row) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("", "utf-8")
    assert _value(_read(tmp_path, row), row.key) == _value(model.load(empty), row.key)


@pytest.mark.parametrize("row", profile_rows(), ids=lambda row: row.key)
def test_a_default_of_a_profile_is_what_the_reader_reads(tmp_path: Path, row: Row) -> None:
    written = row._replace(key=f"defaults.{row.key}")
    read = _value(_read(tmp_path, written), written.key)
    real = _value(Settings(), row.key)
    assert read == real
    assert type(read) is type(real)


@pytest.mark.parametrize("row", [*gateway_rows(), *profile_rows()], ids=lambda row: row.key)
def test_a_default_is_no_python(row: Row) -> None:
    assert row.default not in {"None", "True", "False", "()"}
    assert not (row.default.isdigit() and int(row.default) >= 1_000_000)


def test_sizes_and_times_have_units() -> None:
    shown = {row.key: row.default for row in profile_rows()}
    assert shown["limits.file_bytes"] == "256MiB"
    assert shown["log.max_bytes"] == "10MB"
    assert shown["timeouts.resident"] == "1d"
    assert shown["timeouts.turn"] == "0"
    assert shown["warm.enabled"] == "true"
    assert shown["sandbox.network"] == "on"
    assert shown["home_channel"] == "null"


def test_every_key_of_the_block_is_on_the_page() -> None:
    rows = gateway_rows()
    assert {row.key.partition(".")[0] for row in rows} == set(BLOCK_KEYS)
    shown = PAGE.read_text("utf-8")
    assert [row.key for row in [*rows, *profile_rows()] if f"\n| `{row.key}` |" not in shown] == []


def test_every_group_is_there_as_a_whole() -> None:
    keys = {row.key for row in gateway_rows()}
    for group in ("warm_budget", "turn_budget", "metrics", "schedule"):
        names = {field.name for field in msgspec.structs.fields(_group_of(group))}
        assert {f"{group}.{name}" for name in names} <= keys


def _group_of(name: str) -> type[msgspec.Struct]:
    [field] = [field for field in msgspec.structs.fields(model.RouterConfig) if field.name == name]
    return type(field.default)
