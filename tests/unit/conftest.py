"""A profile, and workers that a test makes up."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from hermes_router.profiles.model import Profile
from tests.kit.workers import made_up


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    return Profile("career", home)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> made_up.Use:
    """Make every launch start a script, inside the real supervisor."""
    return lambda script: made_up.start_as(textwrap.dedent(script), monkeypatch)
