"""The copy of the router's code that workers run, and the watch over Hermes's files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.base.errors import HermesUpdated
from hermes_router.protocol.system import sources, start
from hermes_router.protocol.system.pids import start_time
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.workers.code import own_code, running_code
from hermes_router.workers.code.own_code import HermesLauncher
from hermes_router.workers.code.running_code import RunningCode

HELP = "usage: hermes_router_worker"


@pytest.fixture
def code(tmp_path: Path) -> Iterator[RunningCode]:
    code = RunningCode(tmp_path / "code")
    own_code.use(code)
    yield code
    own_code.use(None)


def test_a_worker_runs_the_copy(code: RunningCode) -> None:
    done = subprocess.run(
        [*own_code.command("hermes_router_worker"), "--help"],
        env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert HELP in done.stdout
    assert code.copy is not None
    lies = code.copy / "hermes_router_worker" / "__main__.py"
    lies.write_text("print('the copy')")
    command = own_code.command("hermes_router_worker")
    assert subprocess.check_output(command, timeout=60) == b"the copy\n"


def test_the_plugin_that_hermes_loads_in_a_worker_is_the_copy_too(code: RunningCode) -> None:
    assert code.copy is not None
    (code.copy / "hermes_router_worker" / "__main__.py").write_text(
        "from hermes_router import plugin; plugin.register(None); print(plugin.__file__)"
    )
    done = subprocess.run(
        own_code.command("hermes_router_worker"),
        env={"PATH": os.defpath, WORKER_VARIABLE: "1"}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(code.copy / "hermes_router" / "plugin.py")
    assert done.stderr == ""


def test_its_folders_are_the_owners_alone(tmp_path: Path) -> None:
    copy = RunningCode(tmp_path / "hermes-router" / "code").copy
    assert copy is not None
    for folder in (copy, copy.parent, copy.parent.parent):
        assert folder.stat().st_mode & 0o077 == 0


def test_without_a_copy_the_installed_worker_is_started(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = RunningCode(tmp_path / "file" / "code")
    assert code.copy is None
    assert code.command("m") == [sys.executable, "-P", "-m", "m"] == own_code.command("m")


def test_a_copy_that_a_full_disk_breaks_off_leaves_nothing_and_is_not_spoken_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "router.py"
    file.touch()
    copied: list[str] = []

    def copyfile(source: str, target: str, **_: bool) -> None:
        copied.append(target)
        if len(copied) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        Path(target).touch()

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copyfile)
        patch.setattr(sources, "of_router", lambda: [file])
        code = RunningCode(tmp_path / "code")
    assert copied
    assert code.copy is None
    assert list((tmp_path / "code").iterdir()) == []
    assert code.on_disk() == []
    file.write_text("updated")
    [line] = code.on_disk()
    assert "could not be copied" in line


def test_byte_code_that_only_others_may_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copyfile = shutil.copyfile

    def copy(source: str, target: str, *, follow_symlinks: bool = True) -> None:
        if source.endswith(".pyc"):
            raise PermissionError(13, "Permission denied", source)
        copyfile(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(shutil, "copyfile", copy)
    copy_of_all = RunningCode(tmp_path / "code").copy
    assert copy_of_all is not None
    assert (copy_of_all / "hermes_router_worker" / "__main__.py").is_file()
    assert not list(copy_of_all.rglob("*.pyc"))


def test_the_copy_of_an_installation_that_is_read_only_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed" / "hermes_router_worker"
    (package / "inner").mkdir(parents=True)
    for folder in (package / "inner", package):
        folder.chmod(0o555)
    monkeypatch.setattr(sources, "folder_of", lambda _name: package)
    copy = RunningCode(tmp_path / "code").copy
    assert copy is not None
    folders = [copy, *(entry for entry in copy.rglob("*") if entry.is_dir())]
    assert copy / "hermes_router_worker" / "inner" in folders
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


def test_hermes_launcher_is_taken_where_there_is_one(tmp_path: Path) -> None:
    code = RunningCode(tmp_path / "code", lambda text: HermesLauncher(("hermes", "-c", text)))
    assert code.command("m")[:2] == ["hermes", "-c"]
    assert code.command("m")[3:] == ["m"]
    compile(code.command("m")[2], "launcher", "exec")


def test_copies_of_gateways_that_are_gone_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    ended = subprocess.Popen(["true"])
    ended.wait(30)
    gone, reused = folder / f"{ended.pid}-1", folder / f"{os.getppid()}-1"
    living = folder / f"{os.getppid()}-{start_time(os.getppid())}"
    for left in (gone, reused, living, folder / "else"):
        left.mkdir(parents=True)
    code = RunningCode(folder)
    assert {left.name for left in folder.iterdir()} == {
        living.name, "else", f"{os.getpid()}-{start_time(os.getpid())}"
    }  # fmt: skip
    code.remove()
    assert {left.name for left in folder.iterdir()} == {living.name, "else"}


async def test_another_hermes_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.py"
    file.write_text("1")
    monkeypatch.setattr(sources, "of_hermes", lambda: [file])
    code = RunningCode(tmp_path / "code")
    own_code.use(code)
    try:
        await running_code.check("career")
        assert code.hermes_content == ""
        await code.load()
        assert code.hermes_content == sources.joined({file: sources.digest(file)})
        os.utime(file, ns=(1, 1))
        await running_code.check("career")
        file.write_text("2")
        with pytest.raises(HermesUpdated, match="hermes gateway restart"):
            await running_code.check("career")
        assert own_code.outdated()
        file.unlink()
        assert any("Hermes was updated" in line for line in code.on_disk())
        file.write_text("1")
        await running_code.check("career")
        assert not own_code.outdated()
    finally:
        own_code.use(None)


def test_what_a_worker_starts_is_started_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "orig_argv", ["py", "-I", "-c", "x", "hermes_router_worker", "-p", "a"]
    )
    assert start.same_way("other") == ["py", "-I", "-c", "x", "other"]
    monkeypatch.setattr(sys, "orig_argv", ["pytest"])
    assert start.same_way("other") == start.installed("other")
