"""Small JSON files of a profile's home."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router_worker import json_files


def test_what_is_written_is_read_again_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "modes.json"
    json_files.write(path, {"a": [1, None]})
    assert json_files.read_map(path) == {"a": [1, None]}
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "modes.json"
    json_files.write(path, {"old": True})
    with pytest.raises(TypeError):
        json_files.write(path, {"new": object()})
    assert json_files.read_map(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, "{", '"text"', "\x00\x01", "[1, 2]"])
def test_a_missing_or_broken_file_holds_nothing(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rows.json"
    if content is not None:
        path.write_text(content, "utf-8")
    assert json_files.read_map(path) == {}
    assert json_files.read_rows(path) == []


def test_a_file_that_was_replaced_has_another_identity(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert json_files.identity(path) is None
    json_files.write(path, [])
    before = json_files.identity(path)
    json_files.write(path, [])
    assert json_files.identity(path) != before


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        json_files.write(path, [])
    assert list(tmp_path.iterdir()) == [path]
