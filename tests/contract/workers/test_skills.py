"""What `/reload-skills` calls new in a process that has just started."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from hermes_router_worker.hermes.features import skills
from hermes_router_worker.hermes.home import bundled_skills


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def module(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return Hermes's module as a fresh process has it, looking for skills in the home."""
    found = importlib.import_module("agent.skill_commands")
    tool = importlib.import_module("tools.skills_tool")
    monkeypatch.setattr(tool, "SKILLS_DIR", home / "skills")
    monkeypatch.setattr(found, "reload_skills", found.reload_skills)  # put back afterwards
    forget(found)
    return found


def forget(module: Any) -> None:
    """Take from Hermes's module what it has found, as if the process had just started."""
    caches = (
        "_skill_commands",
        "_skill_commands_by_key",
        "_last_interactive_skill_commands_by_key",
    )
    for name in caches:
        getattr(module, name, {}).clear()


def add(home: Path, name: str) -> None:
    folder = home / "skills" / name
    folder.mkdir(parents=True)
    folder.joinpath("SKILL.md").write_text(
        f"---\nname: {name}\ndescription: About {name}.\n---\n\nDo it.\n"
    )


def reloaded(module: Any) -> tuple[list[str], list[str]]:
    """Reload in a fresh process; return what it calls added and removed."""
    forget(module)
    skills.remember_reloads()
    result = module.reload_skills()
    return [s["name"] for s in result["added"]], [s["name"] for s in result["removed"]]


def test_the_first_reload_calls_nothing_new_that_was_there_at_the_first_turn(
    home: Path, module: Any
) -> None:
    add(home, "old")
    skills.keep_first()
    add(home, "newer")
    assert reloaded(module) == (["newer"], [])


def test_a_reload_is_compared_with_the_reload_before(home: Path, module: Any) -> None:
    add(home, "old")
    assert reloaded(module) == ([], [])  # nobody has looked before
    add(home, "newer")
    assert reloaded(module) == (["newer"], [])
    assert reloaded(module) == ([], [])
    (home / "skills" / "old" / "SKILL.md").unlink()
    skills.keep_first()
    assert reloaded(module) == ([], ["old"])


def test_what_is_kept_is_the_owners_and_may_be_damaged(home: Path, module: Any) -> None:
    add(home, "old")
    skills.keep_first()
    file = home / "hermes-router" / "skills.json"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("[1]")
    assert reloaded(module) == ([], [])
    assert '"old"' in file.read_text()


def test_the_bundled_skills_are_where_hermes_looks_for_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sync: Any = importlib.import_module("tools.skills_sync")
    assert bundled_skills._folder() == sync._get_bundled_dir()
    monkeypatch.setenv("HERMES_BUNDLED_SKILLS", str(tmp_path))
    assert bundled_skills._folder() == sync._get_bundled_dir() == tmp_path
