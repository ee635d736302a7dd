"""The stop of a gateway: its workers are told, whatever became of what ran beside the turns."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

FAILED = """
async def play(router, adapter, say, home):
    closed = []

    async def fail():
        raise RuntimeError("it failed long ago")

    async def close(reason):
        closed.append(reason)

    for part in (router._observing, router._menus, router._jobs):
        part.stop = fail
    router._dispatcher.close = close
    return {"closed": closed}  # the router is stopped after this
"""


def test_workers_are_told_though_a_task_beside_them_had_failed(tmp_path: Path) -> None:
    assert play(FAILED, tmp_path)["closed"] == ["the gateway is stopping"]
