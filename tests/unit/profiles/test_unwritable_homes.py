"""A profile's home or worker log that cannot be written: what people and the logs are told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes_router.base.errors import ProfileError
from hermes_router.config.settings import Settings
from hermes_router.profiles import model
from hermes_router.profiles.model import Profile
from hermes_router.turns.notices import notice
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import open_log
from hermes_router.workers.worker_log import FILE_NAME
from tests.kit.outside.mounts import mounted


def read_only(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Mount an empty file system, which is read-only, at a folder while the block runs."""
    return mounted(folder, ("-t", "tmpfs", "-o", "ro,size=64k", "read-only"))


def told(failure: ProfileError) -> str:
    """Return the notice in the chat; check that it has neither a path nor an error number."""
    text = notice(failure, "1f0c2a9b")
    assert "/" not in text
    assert "Errno" not in text
    return text


def test_a_file_in_place_of_a_folder_is_told_in_words(profile: Profile) -> None:
    profile.logs.write_text("")
    with pytest.raises(ProfileError) as caught:
        model.prepare(profile)
    assert "profile 'career' has a home that cannot be written: File exists." in told(caught.value)
    assert str(caught.value).startswith(f"{profile.logs}: ")
    assert str(caught.value.hint) == "move it aside: a folder belongs there"
    with pytest.raises(ProfileError, match="has a home that cannot be written") as checked:
        model.check_writable(profile)
    assert checked.value.hint == caught.value.hint


def test_a_read_only_home_is_told_in_words(profile: Profile) -> None:
    with read_only(profile.home):
        with pytest.raises(ProfileError) as caught:
            model.prepare(profile)
        with pytest.raises(ProfileError) as checked:
            model.check_writable(profile)
    assert "cannot be written: Read-only file system." in told(caught.value)
    assert caught.value.where == str(profile.tool_home)
    assert checked.value.where == str(profile.home)
    assert caught.value.hint == "mount its file system so that it can be written"
    assert checked.value.hint == caught.value.hint


def test_a_home_with_a_read_only_workspace_can_be_used(profile: Profile) -> None:
    profile.workspace.mkdir()
    with read_only(profile.workspace):
        model.prepare(profile)
        model.check_writable(profile)


def test_a_home_that_lacks_its_folders_can_be_written(profile: Profile) -> None:
    model.check_writable(profile)
    assert list(profile.home.iterdir()) == []
    model.prepare(profile)
    model.check_writable(profile)


def put_pipe(path: Path) -> Iterator[None]:
    """Put a named pipe with a reader at a path: opening it for writing then does not fail."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield
    os.close(reader)


def put_link(path: Path) -> Iterator[None]:
    path.symlink_to("elsewhere")
    yield


def put_folder(path: Path) -> Iterator[None]:
    path.mkdir()
    yield


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (put_folder, "Is a directory"),
        (put_link, "Too many levels of symbolic links"),
        (put_pipe, f"{FILE_NAME} is not a regular file"),
    ],
)
def test_a_worker_log_that_cannot_be_opened_is_told_in_words(
    profile: Profile, obstacle: Callable[[Path], Iterator[None]], words: str
) -> None:
    model.prepare(profile)
    log = profile.logs / FILE_NAME
    with (
        contextlib.contextmanager(obstacle)(log),
        pytest.raises(ProfileError) as caught,
    ):
        open_log(WorkerPool({}, budget=0).order(profile, Settings()))
    assert f"worker log that cannot be written: {words}." in told(caught.value)
    assert caught.value.where == str(log)


def test_one_line_has_the_cause_the_place_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        model.find("kidd", tmp_path)
    home = tmp_path / "profiles" / "kidd"
    line = model.in_one_line(caught.value)
    assert line == f"does not exist; {home}; hermes profile create kidd --clone"


def test_one_line_does_not_repeat_a_cause_that_the_message_has(profile: Profile) -> None:
    profile.logs.write_text("")
    with pytest.raises(ProfileError) as caught:
        model.prepare(profile)
    assert model.in_one_line(caught.value).count("File exists") == 1
