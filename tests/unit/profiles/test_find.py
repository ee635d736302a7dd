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


def test_links_that_go_round_in_a_circle_beside_a_linked_home_change_nothing(
    tmp_path: Path,
) -> None:
    """Not every Python resolves such links: some raise an error."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "SOUL.md").write_text("")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "career").symlink_to(elsewhere)
    (tmp_path / "profiles" / "circle").symlink_to("circle")
    assert model.find("career", tmp_path).home == tmp_path / "profiles" / "career"
    with pytest.raises(ProfileError, match="does not exist"):
        model.find("circle", tmp_path)


def test_a_folder_that_no_route_can_name_is_not_offered_as_a_profile(tmp_path: Path) -> None:
    for name in ("career", "Career2", "career.left", ".hidden"):
        (tmp_path / "profiles" / name).mkdir(parents=True)
        (tmp_path / "profiles" / name / "SOUL.md").write_text("")
    assert model.names(tmp_path) == ["career"]
