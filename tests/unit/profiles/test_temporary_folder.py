"""Where workers' temporary folders are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.profiles.model import temporary_folder, temporary_folders


def test_the_gateways_start_decides_whatever_an_env_file_said_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, later = tmp_path / "first", tmp_path / "later"
    first.mkdir()
    later.mkdir()
    monkeypatch.setenv("TMPDIR", str(later))
    assert temporary_folder({"TMPDIR": str(first)}) == str(first)
    assert temporary_folder({}) == "/tmp"


def test_a_folder_that_is_none_is_passed_over(tmp_path: Path) -> None:
    assert temporary_folder({"TMPDIR": str(tmp_path / "gone"), "TMP": ""}) == "/tmp"


def test_each_folder_that_may_take_its_place_is_named_once(tmp_path: Path) -> None:
    assert temporary_folders({"TMPDIR": str(tmp_path), "TMP": str(tmp_path)})[:2] == (
        str(tmp_path),
        "/tmp",
    )
