"""Which folders below ``profiles`` are the homes of profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.base.errors import ProfileError
from hermes_router.profiles import model


@pytest.mark.parametrize("name", model.IDENTITY)
def test_a_folder_with_a_file_of_a_profile_is_a_home(tmp_path: Path, name: str) -> None:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    (home / name).write_text("")
    assert model.find("career", tmp_path).home == home


def test_what_was_left_of_a_profile_is_no_home(tmp_path: Path) -> None:
    home = tmp_path / "profiles" / "career"
    (home / "cache" / "browser-use").mkdir(parents=True)
    with pytest.raises(
        ProfileError, match=r"does not exist any more: .* no config\.yaml"
    ) as caught:
        model.find("career", tmp_path)
    assert caught.value.where == str(home)
    assert "hermes profile create career --clone" in str(caught.value.hint)
