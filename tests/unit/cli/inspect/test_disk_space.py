"""`doctor` tells disks that are full or nearly full, each once."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.checks import disk_space
from hermes_router.cli.inspect.findings import Finding

ROUTES = """\
profile_routes:
  - {platform: telegram, chat_id: 1, profile: career}
  - {platform: telegram, chat_id: 2, profile: absent}
"""
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - as in `shutil`
Find = Callable[[int], list[Finding]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "root"
    (root / "profiles" / "career").mkdir(parents=True)
    (root / "config.yaml").write_text(ROUTES)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return root


@pytest.fixture
def find(home: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    def look(free: int) -> list[Finding]:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12 - free, free))
        return list(disk_space.look(loading.load(str(home), offline=True)))

    return look


@pytest.mark.parametrize(
    ("free", "severity"),
    [(0, "error"), (19_999_999, "error"), (20_000_000, "warning"), (199_999_999, "warning")],
)
def test_a_disk_with_little_space_is_told_once_with_all_its_folders(
    find: Find, home: Path, free: int, severity: str
) -> None:
    (finding,) = find(free)
    assert (finding.check, finding.severity) == ("disk-space", severity)
    assert finding.what.startswith(f"only {free / 1e6:.0f} MB are free")
    folders = (home, home / "profiles" / "career", home.parent / "temporary")
    assert finding.where == ", ".join(str(folder) for folder in folders)
    assert finding.mend


def test_enough_space_is_a_passed_check(find: Find) -> None:
    assert [finding.severity for finding in find(200_000_000)] == ["ok"]


def test_each_full_file_system_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = Path("/dev/shm")  # a file system of its own on Linux
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    free = {str(home): 10_000_000, str(shared): 100_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, free[str(folder)]))
    found = list(disk_space.look(loading.load(str(home), offline=True)))
    assert {(f.severity, f.where.rpartition(", ")[2]) for f in found} == {
        ("error", str(home / "profiles" / "career")),
        ("warning", str(shared)),
    }


def test_a_folder_that_cannot_be_asked_is_no_finding_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    found = list(disk_space.look(loading.load(str(home), offline=True)))
    assert [finding.severity for finding in found] == ["ok"]
