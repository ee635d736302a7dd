"""Hermes and the router call the same folders homes of profiles."""

from __future__ import annotations

from pathlib import Path

import hermes_constants
import pytest

from hermes_router.profiles import model

pytestmark = pytest.mark.skipif(
    not hasattr(hermes_constants, "named_profile_has_identity"),
    reason="this Hermes takes every folder for the home of a profile",
)


@pytest.mark.parametrize("name", [*model.IDENTITY, "cron", "logs", "state.db-wal", "channels.json"])
def test_a_file_makes_a_profile_or_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert model.has_identity(tmp_path) == hermes_constants.named_profile_has_identity(tmp_path)


def test_an_empty_folder_is_none(tmp_path: Path) -> None:
    assert not model.has_identity(tmp_path)
    assert not hermes_constants.named_profile_has_identity(tmp_path)
