"""What a worker knows of the work that outlives its turn, by the installed Hermes's own words."""

from __future__ import annotations

import pytest

pytest.importorskip("gateway", reason="needs hermes-agent")

import run_agent
from tools import async_delegation

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.session.background import running_delegations
from hermes_router_worker.session import background
from hermes_router_worker.startup.session_wiring import review_at_once

LIVE = getattr(async_delegation, "_LIVE_STATES", {"running", "finalizing"})


@pytest.mark.parametrize("state", sorted({*LIVE, "completed"}))
def test_each_delegated_task_that_hermes_counts_is_named(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    record = {"delegation_id": "deleg_1", "status": state, "goal": "dig", "dispatched_at": 1.0}
    monkeypatch.setitem(async_delegation._records, "deleg_1", record)
    named = [background._delegation(one) for one in running_delegations()]
    assert len(named) == async_delegation.active_count()
    assert named == ['delegated task "dig"'] * (state in LIVE)


@pytest.mark.skipif(
    not replacements.DEFER_REVIEW.present(), reason="this Hermes reviews each turn at once"
)
def test_a_review_does_not_wait_for_a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    local = "agent.review_idle_queue.review_targets_managed_local"
    monkeypatch.setattr(local, lambda *_of: True)
    assert run_agent._review_should_defer(None, None)
    review_at_once()
    try:
        assert not run_agent._review_should_defer(None, None)
    finally:
        replacements.DEFER_REVIEW.restore()
