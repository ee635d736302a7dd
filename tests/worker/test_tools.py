"""A worker's model is offered what a gateway's is."""

from __future__ import annotations

from tests.kit import FakeModel
from tests.kit.workers.real_worker import Place


def test_a_turn_may_schedule_jobs(place: Place, model: FakeModel) -> None:
    seq = model.seq
    place.ask("what can you do?")
    request = model.wait_chat("what can you do?", timeout=150, after=seq)
    assert [name for name in request.tools if name.startswith("cronjob")]
