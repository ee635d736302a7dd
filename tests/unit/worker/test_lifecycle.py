"""A worker that is told to end before it has begun takes nothing of its session."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hermes_router.protocol import messages as msg
from hermes_router_worker import lifecycle

START = msg.Start(
    turn="0a1b2c3d",
    session_key="agent:main:telegram:group:1:7",
    platform="telegram",
    methods={},
    capabilities={},
    heartbeat=1.0,
    linger=1.0,
    delivery_scope=msg.DeliveryScope(),
)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_session_begins_only_in_a_worker_that_need_not_end(
    monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    begun = []

    class Noted:
        def __init__(self, *args: Any) -> None:
            begun.append(args)

        async def run(self) -> None:
            pass

    monkeypatch.setattr(lifecycle, "Session", Noted)
    worker = lifecycle._Worker("career", cast("Any", None), forked=True, share_auth=False)
    if ended:
        worker._finish.set()
    await worker._work(None, START)
    assert len(begun) == (not ended)
