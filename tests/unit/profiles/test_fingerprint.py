"""What makes prepared processes stale, and what does not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes_router.profiles.fingerprint import _installations, obstacle_stamp_of, stamp_of
from hermes_router.profiles.model import Profile, find


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    home = tmp_path / "profiles" / "career"
    (home / "skills" / "writing").mkdir(parents=True)
    (home / "plugins" / "kit").mkdir(parents=True)
    (home / "hooks" / "witness").mkdir(parents=True)
    (home / "skills" / "writing" / "SKILL.md").write_text("write", "utf-8")
    (home / "plugins" / "kit" / "__init__.py").write_text("x = 1", "utf-8")
    (home / "config.yaml").write_text("a: 1", "utf-8")
    return find("career", tmp_path)


def _edit_config(home: Path) -> None:
    (home / "config.yaml").write_text("a: 12", "utf-8")


def _add_skill(home: Path) -> None:
    (home / "skills" / "new").mkdir()
    (home / "skills" / "new" / "SKILL.md").write_text("x", "utf-8")


def _edit_hook(home: Path) -> None:
    (home / "hooks" / "witness" / "handler.py").write_text("def handle(): pass", "utf-8")


def _declare_hook(home: Path) -> None:
    (home / "hooks" / "witness" / "HOOK.yaml").write_text("name: witness", "utf-8")


def _edit_plugin(home: Path) -> None:
    (home / "plugins" / "kit" / "__init__.py").write_text("x = 12", "utf-8")


def _extend_plugin(home: Path) -> None:
    (home / "plugins" / "kit" / "part").mkdir()
    (home / "plugins" / "kit" / "part" / "tools.py").write_text("x = 1", "utf-8")


def _remove_skill(home: Path) -> None:
    (home / "skills" / "writing" / "SKILL.md").unlink()


@pytest.mark.parametrize(
    "change",
    [
        _edit_config,
        _add_skill,
        _remove_skill,
        _edit_hook,
        _declare_hook,
        _edit_plugin,
        _extend_plugin,
    ],
)
def test_a_changed_profile_is_noticed(profile: Profile, change: Callable[[Path], None]) -> None:
    before = stamp_of(profile)
    change(profile.home)
    assert stamp_of(profile) != before


def _edit_source(site: Path) -> None:
    (site / "gateway" / "run.py").write_text("x = 12", "utf-8")


def _install_next_version(site: Path) -> None:
    (site / "hermes_agent-9.0.dist-info").rename(site / "hermes_agent-9.1.dist-info")


def _install_again(site: Path) -> None:
    """Replace what is there by the same version, as ``pip install --force-reinstall`` does."""
    folder = site / "hermes_agent-9.0.dist-info"
    (folder / "RECORD").touch()
    os.utime(folder, ns=(1, 1))


@pytest.fixture
def hermes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder in which a Hermes is installed that is found before any other."""
    site = tmp_path / "site"
    for package in ("gateway", "hermes_cli"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").touch()
    (site / "gateway" / "run.py").write_text("x = 1", "utf-8")
    (site / "hermes_agent-9.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: hermes-agent\nVersion: 9.0\n"
    (site / "hermes_agent-9.0.dist-info" / "METADATA").write_text(metadata, "utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "hermes_cli", raising=False)
    _installations.cache_clear()
    yield site
    _installations.cache_clear()


@pytest.mark.parametrize("update", [_edit_source, _install_next_version, _install_again])
def test_an_updated_hermes_is_noticed(
    profile: Profile, hermes: Path, update: Callable[[Path], None]
) -> None:
    before = stamp_of(profile)
    update(hermes)
    assert stamp_of(profile) != before


def _make_empty_folder(home: Path) -> None:
    (home / "hooks" / "new").mkdir()


def _cache_bytecode(home: Path) -> None:
    (home / "plugins" / "__pycache__").mkdir()
    (home / "plugins" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"x")


def _hook_keeps_notes(home: Path) -> None:
    (home / "hooks" / "witness" / "seen.jsonl").write_text("{}", "utf-8")


def _plugin_keeps_notes(home: Path) -> None:
    (home / "plugins" / "kit" / "notes.db").write_bytes(b"x")


def _count_uses_of_skills(home: Path) -> None:
    (home / "skills" / ".usage.json").write_text("{}", "utf-8")


def _archive_skill(home: Path) -> None:
    (home / "skills" / ".archive" / "old").mkdir(parents=True)
    (home / "skills" / ".archive" / "old" / "SKILL.md").write_text("x", "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        _make_empty_folder,
        _cache_bytecode,
        _hook_keeps_notes,
        _plugin_keeps_notes,
        _count_uses_of_skills,
        _archive_skill,
    ],
)
def test_what_a_turn_leaves_by_itself_is_no_change(
    profile: Profile, change: Callable[[Path], None]
) -> None:
    before = stamp_of(profile)
    change(profile.home)
    assert stamp_of(profile) == before


def test_skills_that_a_failing_start_copies_keep_no_worker_from_starting(profile: Profile) -> None:
    before = obstacle_stamp_of(profile)
    _add_skill(profile.home)
    assert obstacle_stamp_of(profile) == before
    _edit_hook(profile.home)
    assert obstacle_stamp_of(profile) != before


@pytest.mark.parametrize("stamp", [stamp_of, obstacle_stamp_of])
def test_a_home_that_was_made_anew_from_a_copy_is_another(
    profile: Profile, stamp: Callable[[Profile], object]
) -> None:
    before, aside = stamp(profile), profile.home.with_name("aside")
    profile.home.rename(aside)
    assert stamp(profile) != before
    shutil.copytree(aside, profile.home)
    assert stamp(profile) != before
    shutil.rmtree(profile.home)
    aside.rename(profile.home)
    assert stamp(profile) == before
