"""Tasks that nobody waits for."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from hermes_router.base.tasks import BackgroundTasks


async def _fails() -> None:
    raise ValueError("it broke")


async def test_the_failure_of_a_background_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    task = BackgroundTasks("a thing failed").start(_fails())
    with anyio.fail_after(60):
        await asyncio.wait({task})
    await anyio.lowlevel.checkpoint()
    (record,) = caplog.records
    assert record.message == "a thing failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "it broke"


async def test_who_is_given_the_task_asks_it_where_no_failure_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = BackgroundTasks().start(_fails(), name="one")
    assert task.get_name() == "one"
    with pytest.raises(ValueError, match="it broke"):
        await task
    assert caplog.records == []


async def test_a_task_that_was_cancelled_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    task = BackgroundTasks("a thing failed").start(anyio.sleep_forever())
    task.cancel()
    with anyio.fail_after(60):
        await asyncio.wait({task})
    await anyio.lowlevel.checkpoint()
    assert caplog.records == []
