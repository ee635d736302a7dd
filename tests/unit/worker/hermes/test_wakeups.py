"""A recurring prompt that Hermes fails to begin is due again after a pause, not at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router_worker.hermes.features.wakeups import RETRY, RecurringPrompts


class Due(RecurringPrompts):
    """The prompts of a session with a loop that is due, of which Hermes begins none."""

    def _session_id(self) -> str:
        return "s"

    def _active(self, _session: str) -> Iterator[tuple[str, Any]]:
        yield "loop", SimpleNamespace(awaiting_response=False)

    def _due(self) -> float:
        return time.time() - 1

    def _busy(self) -> bool:
        return False


@pytest.mark.parametrize("fails", [True, False])
async def test_it_is_put_off(*, fails: bool) -> None:
    async def begin(*_args: object) -> None:
        if fails:
            raise RuntimeError("no database today")

    prompts = Due(SimpleNamespace(_loop_wakeup_fire_one=begin), None, "key")
    before = time.time()
    try:
        await prompts.fire(None)
    except RuntimeError:
        assert fails
    assert (prompts.next_due() or 0.0) >= before + RETRY
