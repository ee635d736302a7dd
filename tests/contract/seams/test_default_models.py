"""Which model Hermes takes for a profile that names none; ``doctor`` relies on it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from hermes_router.cli.inspect.profile import profile_facts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))


def test_hermes_has_a_default_model_for_a_provider_with_a_catalogue_only() -> None:
    models = importlib.import_module("hermes_cli.models")
    without = profile_facts._WITHOUT_DEFAULT_MODEL
    found = {name: models.get_default_model_for_provider(name) for name in without}
    assert found == dict.fromkeys(without, "")
    assert models.get_default_model_for_provider("anthropic")
