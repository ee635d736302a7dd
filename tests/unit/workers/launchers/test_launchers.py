"""Launchers without Hermes: what a sandbox shows, and what is said where there can be none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.config import model
from hermes_router.config.settings import LAUNCHERS, Bind, Sandbox
from hermes_router.profiles.env_file import dotenv_names
from hermes_router.profiles.model import Profile
from hermes_router.workers import launchers
from hermes_router.workers.launchers import bwrap
from hermes_router.workers.launchers.view import View, view_for

ROUTES = "profile_routes: {telegram: {'1': {'2': kids}}}\n"


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    home = tmp_path / "user" / ".hermes" / "profiles" / "kids"
    home.mkdir(parents=True)
    (tmp_path / "user" / ".hermes" / "profiles" / "adults").mkdir()
    return Profile("kids", home)


def view_of(profile: Profile, *binds: Bind) -> View:
    user_home = profile.home.parents[2]
    return view_for(profile, Sandbox(binds=binds), {}, user_home)


def load(tmp_path: Path, text: str, obstacle: str | None = None) -> model.RouterConfig:
    path = tmp_path / "config.yaml"
    path.write_text(ROUTES + text)
    return model.load(path, launcher_obstacle=lambda _name: obstacle)


def test_every_launcher_that_the_settings_allow_exists() -> None:
    assert all(callable(launchers.launcher(name)) for name in LAUNCHERS)


def test_the_more_specific_path_wins(profile: Profile) -> None:
    view = view_of(profile)
    assert view.shows(profile.home / "config.yaml")
    assert not view.shows(profile.home.parent / "adults")
    assert not view.shows(profile.home.parents[2] / ".ssh")
    assert view.shows(Path("/usr/bin"))


def test_a_shared_home_does_not_share_the_other_profiles(profile: Profile) -> None:
    view = view_of(profile, Bind(path="~/.hermes", mode="ro"), Bind(path="~/../user"))
    assert view.shows(profile.home.parents[2] / ".ssh")
    assert view.shows(profile.home.parents[1] / "config.yaml")
    assert not view.shows(profile.home.parent / "adults")
    assert view.shows(profile.home)


def test_a_parked_profile_cannot_remove_its_marker(profile: Profile) -> None:
    marker = profile.home / "gateway.parked"
    assert str(marker) not in list(view_of(profile).arguments())
    marker.touch()
    given = list(view_of(profile).arguments())
    over = given.index(str(marker))
    assert given[over - 2 : over] == ["--ro-bind", "/dev/null"]
    assert over > given.index(str(profile.home))


@pytest.mark.parametrize("path", ["/does/not/exist", "/proc", "/usr/.."])
def test_what_cannot_be_shown_is_refused(profile: Profile, path: str) -> None:
    with pytest.raises(ProfileError):
        view_of(profile, Bind(path=path))


def test_a_worker_cannot_widen_its_own_view(profile: Profile) -> None:
    adults = profile.home.parent / "adults"
    (profile.home / "config.yaml").write_text(f"terminal: {{cwd: {adults}}}\n")
    with pytest.raises(ProfileError, match=r"terminal\.cwd"):
        view_of(profile)
    (profile.home / "adults").symlink_to(adults)
    (profile.home / "config.yaml").write_text(f"terminal: {{cwd: {profile.home}/adults}}\n")
    with pytest.raises(ProfileError, match=r"terminal\.cwd"):
        view_of(profile)


@pytest.mark.timeout(20)
def test_a_fifo_as_env_file_keeps_no_thread_waiting(profile: Profile) -> None:
    adults = profile.home.parent / "adults"
    (profile.home / "config.yaml").write_text(f"terminal: {{cwd: {adults}}}\n")
    os.mkfifo(profile.home / ".env")
    with pytest.raises(ProfileError, match=r"terminal\.cwd"):
        view_of(profile)
    assert dotenv_names(profile.home / ".env") == {}


def test_the_workspace_may_be_named_by_a_variable(profile: Profile) -> None:
    (profile.home / ".env").write_text("WORK=adults\n")
    (profile.home / "config.yaml").write_text(
        f"terminal: {{cwd: '{profile.home.parent}/${{WORK}}'}}"
    )
    with pytest.raises(ProfileError, match=r"terminal\.cwd"):
        view_of(profile)


def test_a_launcher_that_does_not_work_here_is_reported_and_not_replaced(tmp_path: Path) -> None:
    text = "hermes_router:\n  profiles:\n    kids: {launcher: bubblewrap}\n"
    loaded = load(tmp_path, text, "there is no bwrap in PATH: install it")
    (problem,) = loaded.problems
    assert (problem.line, problem.severity) == (4, "unusable")
    assert "launcher: bubblewrap does not work here" in problem.message
    assert "install it" in problem.hint
    assert loaded.settings("kids").launcher == "bubblewrap"


def test_a_machine_without_bwrap_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    bwrap.check.forget()
    try:
        assert "install the package bubblewrap" in (launchers.check("bubblewrap") or "")
    finally:
        bwrap.check.forget()
    assert launchers.check("local") is None


@pytest.mark.parametrize(
    ("sandbox", "says"),
    [
        ("{binds: [{path: relative}]}", "an absolute path"),
        ("{binds: [{path: /}]}", "but not /"),
        ("{binds: [{path: /srv, mode: rwx}]}", "rwx"),
        ("{binds: [{path: /srv, way: ro}]}", "way"),
        ("{network: perhaps}", "perhaps"),
        ("{netwrk: off}", "network"),
    ],
)
def test_a_mistake_in_the_sandbox_is_located(tmp_path: Path, sandbox: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, f"hermes_router: {{defaults: {{sandbox: {sandbox}}}}}\n")


@pytest.mark.parametrize("written", ["off", "'off'", "false"])
def test_a_network_is_switched_off_in_any_spelling(tmp_path: Path, written: str) -> None:
    loaded = load(tmp_path, f"hermes_router: {{defaults: {{sandbox: {{network: {written}}}}}}}\n")
    assert not loaded.defaults.sandbox.online


def test_the_roots_logins_cannot_be_shared_with_a_sandbox(tmp_path: Path) -> None:
    block = "hermes_router: {profiles: {kids: {launcher: bubblewrap, share: [auth]}}}\n"
    with pytest.raises(ConfigError, match="a profile in a sandbox cannot use the root's logins"):
        load(tmp_path, block)
    assert list(load(tmp_path, block.replace("bubblewrap", "local")).shared()) == [
        ("kids", "share auth")
    ]


def test_all_that_is_shared_is_listed(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "hermes_router: {defaults: {launcher: bubblewrap, env: {pass: [EDITOR]}, "
        "deliver: ['telegram:-100:6'], sandbox: {binds: [{path: /srv/music}]}}}\n",
    )
    assert list(loaded.shared()) == [
        ("kids", "env EDITOR"),
        ("kids", "sandbox.binds /srv/music (ro)"),
        ("kids", "deliver telegram:-100:6"),
    ]


def test_one_trial_of_bwrap_that_fails_by_chance_is_not_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results: list[object] = [BlockingIOError("no process"), subprocess.CompletedProcess([], 0)]

    def run(*_command: object, **_more: object) -> object:
        result = results.pop(0)
        if isinstance(result, OSError):
            raise result
        return result

    now = [0.0]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(bwrap.check, "_clock", lambda: now[0])
    bwrap.check.forget()
    try:
        for _time in range(2):
            assert "no process" in (launchers.check("bubblewrap") or "")
        now[0] += 30
        assert launchers.check("bubblewrap") is None
    finally:
        bwrap.check.forget()
