"""Files that are overheard wait in a profile's home, bounded, and through no link."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.protocol.files.observed import FOLDER, File
from hermes_router.state import observed

SOURCE = {"platform": "telegram", "chat_id": "-100", "thread_id": None}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def file(folder: Path, size: int) -> Path:
    path = folder / "received"
    path.write_bytes(os.urandom(size))
    return path


def test_the_oldest_files_make_room(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed, "FILES_LIMIT", 100)
    names = []
    for number in range(4):
        names.append(observed.keep_file(home, file(tmp_path, 40), 50))
        os.utime(home.joinpath(*FOLDER, names[-1]), (number, number))
    assert {path.name for path in home.joinpath(*FOLDER).iterdir()} == set(names[-2:])


def test_one_file_may_be_as_large_as_its_limit(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed, "FILES_LIMIT", 100)
    path = file(tmp_path, 200)
    stored = home.joinpath(*FOLDER, observed.keep_file(home, path, 200))
    assert stored.read_bytes() == path.read_bytes()
    assert stored.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_home_is_not_followed(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / FOLDER[0]).symlink_to(elsewhere)
    with pytest.raises(OSError, match="hermes-router"):
        observed.keep_file(home, file(tmp_path, 9), 9)
    assert list(elsewhere.iterdir()) == []


def test_a_message_that_is_not_kept_leaves_no_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = observed.keep_file(home, file(tmp_path, 9), 9)
    kept = File(named="/x", stored=stored, name="x", kind="image/png")
    monkeypatch.setattr(observed, "LIMIT", 3)
    with pytest.raises(OSError, match="full"):
        observed.write_down(home, SOURCE, {"content": "/x"}, [kept])
    assert not home.joinpath(*FOLDER, stored).exists()


def test_a_message_that_the_disk_takes_half_of_spoils_no_other(home: Path) -> None:
    observed.write_down(home, SOURCE, {"content": "one"})
    (path,) = home.joinpath(*FOLDER).iterdir()
    whole = path.read_bytes()
    with largest_file(len(whole) + 9), pytest.raises(OSError, match="No space left"):
        observed.write_down(home, SOURCE, {"content": "two"})
    assert path.read_bytes() == whole
    observed.write_down(home, SOURCE, {"content": "three"})
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["entry"]["content"] for line in lines] == ["one", "three"]


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Have each file of this process take no more bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
