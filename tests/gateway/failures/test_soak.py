"""A minute of traffic while workers and the gateway are killed, and the platform refuses calls."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.tools.soak.plan import SHORT
from tests.tools.soak.run import soak

#: A busy machine starts six cold workers at once after the kill of the gateway, and gets through
#: fewer messages.
PLAN = dataclasses.replace(SHORT, messages_per_kill=8, outcome_seconds=240.0)


@pytest.mark.timeout(900)
def test_every_message_has_one_outcome_in_its_order(tmp_path: Path) -> None:
    figures = soak(PLAN, print, tmp_path / "homes")
    assert figures.wrong == [], "\n".join(figures.seen)
    assert figures.answered > figures.told
    assert figures.gateways_killed == PLAN.lives - 1
    assert figures.workers_killed > 0
    assert figures.calls_refused > 0
