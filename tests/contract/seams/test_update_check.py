"""Hermes's own check for newer plugins, which asks the package index by a distribution's name."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest

from hermes_router.protocol.system.versions import DISTRIBUTION

if importlib.util.find_spec("hermes_cli.plugins_updates") is None:
    pytest.skip("this Hermes does not look for newer plugins", allow_module_level=True)

#: What PyPI answers: the first is somebody else's project.
INDEX = {"hermes-router": "0.7.2"}


def ours(asked: list[str]) -> list[object]:
    from hermes_cli.plugins_updates import check_pip_plugins

    def latest(name: str) -> str | None:
        asked.append(name)
        return INDEX.get(name)

    found = check_pip_plugins(installed_version=importlib.metadata.version, pypi_latest=latest)
    return [row for row in found if row.name == "hermes-router"]


def test_a_strangers_project_is_no_update_of_ours() -> None:
    asked: list[str] = []
    (row,) = ours(asked)
    assert row.update_available is None  # type: ignore[attr-defined]
    assert asked == [DISTRIBUTION]
