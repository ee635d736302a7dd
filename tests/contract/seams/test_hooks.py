"""Every plugin hook of the installed Hermes is classified."""

from __future__ import annotations

import pytest
from hermes_cli.plugins import VALID_HOOKS

from hermes_router.relay.hooks import HOOKS


@pytest.mark.parametrize("name", sorted(VALID_HOOKS))
def test_each_hook_is_classified(name: str) -> None:
    assert name in HOOKS, f"{name} is new: say in hermes_router/relay/hooks.py where it fires"
