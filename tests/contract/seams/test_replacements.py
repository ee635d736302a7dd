"""Each function that is replaced is where its entry says, in the versions that its entry names."""

from __future__ import annotations

import pytest
from gateway import run
from hermes_cli import profiles

from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.compat.seams import required
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import Patch


def of_workers(patch: object) -> str:
    return patch.where if isinstance(patch, Patch) else str(patch)


@pytest.mark.parametrize("patch", replacements.all_patches(), ids=of_workers)
def test_what_a_worker_replaces_is_there(patch: Patch) -> None:
    told = patch.described()
    assert told.found == told.expected()


@pytest.mark.parametrize("patch", patches.PATCHES, ids=lambda patch: patch.label)
def test_what_the_gateway_replaces_is_there(patch: patching.Patch) -> None:
    told = patch.described()
    assert told.found == told.expected()


def test_no_function_stands_in_a_list_twice() -> None:
    labels = [patch.label for patch in patches.PATCHES]
    assert len(labels) == len(set(labels))


def test_a_hermes_that_does_not_ask_which_profiles_it_serves_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would do the work of routed profiles in its own process."""
    assert required.missing(run) == []
    monkeypatch.delattr(profiles, "profiles_to_serve")
    assert required.missing(run) == ["hermes_cli.profiles.profiles_to_serve"]
