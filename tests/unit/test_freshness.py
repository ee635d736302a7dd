"""What makes prepared processes stale, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_router.freshness import stamp_of
from hermes_router.profiles import Profile, find


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    home = tmp_path / "profiles" / "career"
    (home / "skills" / "writing").mkdir(parents=True)
    (home / "plugins").mkdir()
    (home / "skills" / "writing" / "SKILL.md").write_text("write", "utf-8")
    (home / "config.yaml").write_text("a: 1", "utf-8")
    return find("career", tmp_path)


def _edit_config(home: Path) -> None:
    (home / "config.yaml").write_text("a: 12", "utf-8")


def _add_skill(home: Path) -> None:
    (home / "skills" / "new.md").write_text("x", "utf-8")


def _remove_skill(home: Path) -> None:
    (home / "skills" / "writing" / "SKILL.md").unlink()


@pytest.mark.parametrize("change", [_edit_config, _add_skill, _remove_skill])
def test_a_changed_profile_is_noticed(profile: Profile, change: Callable[[Path], None]) -> None:
    before = stamp_of(profile)
    change(profile.home)
    assert stamp_of(profile) != before


def _make_empty_folder(home: Path) -> None:
    (home / "hooks").mkdir()


def _cache_bytecode(home: Path) -> None:
    (home / "plugins" / "__pycache__").mkdir()
    (home / "plugins" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"x")


@pytest.mark.parametrize("change", [_make_empty_folder, _cache_bytecode])
def test_what_a_turn_leaves_by_itself_is_no_change(
    profile: Profile, change: Callable[[Path], None]
) -> None:
    before = stamp_of(profile)
    change(profile.home)
    assert stamp_of(profile) == before
