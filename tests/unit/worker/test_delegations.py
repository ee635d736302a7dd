"""Which results of delegated tasks a worker puts into the queue from which Hermes reports."""

from __future__ import annotations

import pytest

from hermes_router_worker.hermes.session import background
from hermes_router_worker.home.delegations import restore_delegations


def test_a_worker_takes_over_the_results_of_its_session_that_are_not_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undelivered = [
        {"delegation_id": "left", "session_key": "this"},
        {"delegation_id": "queued already", "session_key": "this"},
        {"delegation_id": "of another session", "session_key": "other"},
    ]
    taken: list[object] = []
    monkeypatch.setattr(background, "undelivered_results", lambda: undelivered)
    monkeypatch.setattr(background, "own_delegations", lambda: {"queued already"})
    monkeypatch.setattr(background, "put_result", taken.append)
    assert restore_delegations("this") == 1
    assert taken == [undelivered[0]]
