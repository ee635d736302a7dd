"""What keeps a worker from writing in its profile's home, and the command that removes it."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.profile import profile_facts
from hermes_router.config.settings import Settings
from hermes_router.workers.worker_log import FILE_NAME
from tests.kit.outside.mounts import mounted


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "profiles" / "career"
    (home / "logs").mkdir(parents=True)
    (home / "SOUL.md").write_text("")
    home.chmod(0o700)
    return home


def found(home: Path) -> list[Finding]:
    facts = profile_facts.look_at("career", home.parent.parent, Settings())
    return [finding for finding in facts.findings if finding.check == "profile-writable"]


def test_a_file_system_that_is_read_only_is_told_once_with_its_mount_point(home: Path) -> None:
    for name in ("home", "workspace"):
        (home / name).mkdir()
    root = home.parent.parent
    with mounted(root, ("--bind", str(root)), ("-o", "remount,bind,ro")):
        (finding,) = found(home)
        assert finding.where == str(home)
        assert finding.what == ("its home cannot be written: its file system is mounted read-only")
        assert finding.mend == f"mount -o remount,rw {root}"
        subprocess.run(finding.mend.split(), check=True)
        assert found(home) == []


def test_a_file_in_place_of_a_folder_is_moved_aside(home: Path) -> None:
    (home / "workspace").write_text("")
    (home / "workspace.old").write_text("")
    (finding,) = found(home)
    assert finding.what == (
        "its folder 'workspace' cannot be used: a file stands where the folder belongs"
    )
    assert finding.mend == f"mv {home}/workspace {home}/workspace.old2"
    subprocess.run(finding.mend.split(), check=True)
    assert found(home) == []


def test_a_link_to_nothing_and_a_folder_in_place_of_the_log_are_told(home: Path) -> None:
    (home / "home").symlink_to("nowhere")
    (home / "logs" / FILE_NAME).mkdir()
    assert [finding.what for finding in found(home)] == [
        "its folder 'home' cannot be used: a link to nothing stands where the folder belongs",
        "its worker log cannot be used: a folder stands where the file belongs",
    ]


def test_a_home_of_another_user_is_told_once_with_this_user(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = pwd.getpwuid(home.stat().st_uid).pw_name
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    (finding,) = found(home)
    assert finding.what == f"its home cannot be written: it belongs to {owner}"
    assert finding.mend == f"as root: chown -R {pwd.getpwuid(1).pw_name} {home}"


def test_a_folder_whose_mode_is_wrong_is_told_with_that_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != home / "logs")
    (finding,) = found(home)
    assert finding.mend == f"chmod u+rwx {home}/logs"
