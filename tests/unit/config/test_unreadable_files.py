"""A ``config.yaml`` that is gone, dangling or closed: commands and gateway say the same of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_router.base.errors import ConfigError
from hermes_router.cli.inspect import loading
from hermes_router.config.model import load, vanished
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.state import running
from hermes_router.state.running import Running
from tests.kit.roots import ordinary_user

ROUTE = "profile_routes: [{platform: telegram, chat_id: 1, profile: default}]\n"


def _dangling(file: Path) -> None:
    file.symlink_to("gone.yaml")


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


def _to_no_file(file: Path) -> None:
    file.symlink_to("/dev/null")


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (lambda _: None, "the file was removed"),
    (_dangling, "the file was removed"),
    (Path.touch, "the file is empty"),
    (_loop, "cannot be read: Too many levels of symbolic links"),
    (Path.mkdir, "cannot be read: it is not a regular file"),
    (_to_no_file, "cannot be read: it is not a regular file"),
    (os.mkfifo, "cannot be read: it is not a regular file"),
]


def _after_an_edit(file: Path, edit: Callable[[Path], None]) -> list[str]:
    """Return what a gateway says that had a good file, of which only ``edit`` is left."""
    file.write_text(ROUTE)
    old = time.time() - 60
    os.utime(file, (old, old))
    watcher = ConfigWatcher(file, lambda: load(file))
    watcher.reload()
    assert watcher.snapshot is not None
    file.unlink()
    edit(file)
    watcher.reload()
    assert watcher.current().table.routes
    assert watcher.error is not None
    return [problem.message for problem in watcher.error.problems]


def _of_a_command(file: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a command says of the file, while a gateway runs that had a good one."""
    record = Running(
        pid=os.getpid(), start_time=None, since=0.0, code=running.installed(), table="0", routes=1
    )
    monkeypatch.setattr(loading, "running_gateway", lambda _: os.getpid())
    monkeypatch.setattr(running, "read", lambda _: record)
    loaded = loading.load(str(file.parent))
    assert loaded.config is None
    return [problem.message for problem in loaded.problems]


@pytest.mark.parametrize(("edit", "message"), BROKEN)
def test_the_command_says_what_the_gateway_says_of_a_file_that_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Path], None], message: str
) -> None:
    file = tmp_path / "config.yaml"
    assert _after_an_edit(file, edit) == [message]
    assert _of_a_command(file, monkeypatch) == [message]


@pytest.mark.parametrize(
    ("edit", "message"), [(_dangling, None), (_loop, BROKEN[3][1]), (Path.mkdir, BROKEN[4][1])]
)
def test_a_gateway_that_starts_and_a_command_without_a_gateway_agree(
    tmp_path: Path, edit: Callable[[Path], None], message: str | None
) -> None:
    """A dangling link is a missing file, which is an empty table."""
    file = tmp_path / "config.yaml"
    edit(file)
    watcher = ConfigWatcher(file, lambda: load(file))
    watcher.reload()
    loaded = loading.load(str(tmp_path))
    said = [problem.message for problem in watcher.error.problems] if watcher.error else []
    assert (
        said == [problem.message for problem in loaded.problems] == ([message] if message else [])
    )
    assert (watcher.snapshot is None) is (loaded.config is None) is (message is not None)


_AS_ORDINARY_USER = """\
import json, sys
from hermes_router.config.model import load, vanished
from hermes_router.base.errors import ConfigError
try:
    messages = ["read: %d routes" % len(load(sys.argv[1]).table)]
except ConfigError as error:
    messages = [problem.message for problem in error.problems]
print(json.dumps([messages, vanished(sys.argv[1]) is not None]))
"""


@pytest.mark.parametrize("closed", ["config.yaml", ""])
def test_a_file_that_this_user_may_not_read_is_not_gone(tmp_path: Path, closed: str) -> None:
    why = ordinary_user.obstacle()
    if why is not None:
        pytest.skip(why)
    home = tmp_path / "hermes"
    home.mkdir()
    file = home / "config.yaml"
    file.write_text(ROUTE)
    command = [sys.executable, "-c", _AS_ORDINARY_USER, str(file)]
    command = ordinary_user.as_ordinary_user(command, tmp_path)
    (home / closed).chmod(0)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    finally:
        home.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["cannot be read: Permission denied"], False]


def test_a_file_that_is_gone_or_empty_keeps_what_the_caller_has_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    gone = vanished(file)
    assert isinstance(gone, ConfigError)
    assert "the last good configuration stays in force" in gone.problems[0].hint
    file.write_text("# nothing but a comment\n")
    assert vanished(file) is None


@pytest.mark.timeout(60)
def test_a_fifo_that_takes_the_place_of_a_file_at_the_last_moment_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, real = tmp_path / "config.yaml", os.open
    file.write_text(ROUTE)

    def swapped(path: Path, *args: int) -> int:
        file.unlink()
        os.mkfifo(file)
        return real(path, *args)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(ConfigError, match="it is not a regular file"):
        load(file)
