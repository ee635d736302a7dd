"""An answer that a dead worker's successor would repeat, though it is on its way or has arrived."""

from __future__ import annotations

import anyio
import pytest

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import name_of
from hermes_router.turns import sends
from hermes_router.turns.sends import Sends

MARK = "again:\n\n"
NAME = name_of("telegram", "-100", "6", "an answer")


def repetition(text: str = f"{MARK}an answer", thread: str | None = "6") -> msg.Deliver:
    return msg.Deliver(id=1, platform="telegram", chat_id="-100", thread_id=thread, text=text)


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_repetition_waits_for_the_answer_that_is_on_its_way(arrives: bool) -> None:
    known, seen = Sends(MARK), list[bool]()

    async def ask() -> None:
        seen.append(await known.arrived(repetition()))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with known.follow(NAME) as send:
                tasks.start_soon(ask)
                await anyio.sleep(0.05)
                assert seen == []
                send.arrived = arrives
    assert seen == [arrives]
    assert await known.arrived(repetition()) is arrives


async def test_only_a_marked_text_of_the_same_place_is_a_repetition() -> None:
    known = Sends(MARK)
    with known.follow(NAME) as send:
        send.arrived = True
    assert await known.arrived(repetition())
    assert not await known.arrived(repetition("an answer"))
    assert not await known.arrived(repetition(thread="7"))
    assert not await known.arrived(repetition(f"{MARK}another answer"))
    without = Sends()
    with without.follow(NAME) as send:
        send.arrived = True
    assert not await without.arrived(repetition())


async def test_the_last_try_counts_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Sends(MARK)
    for arrived in (False, True):
        with known.follow(NAME) as send:
            send.arrived = arrived
        assert await known.arrived(repetition()) is arrived
    monkeypatch.setattr(sends, "_KNOWN_SECONDS", 0.0)
    assert not await known.arrived(repetition())


async def test_what_is_no_answer_does_not_make_an_answer_forgotten() -> None:
    known = Sends(MARK)
    with known.follow(NAME) as send:
        send.arrived = True
    for _call in range(1_000):
        with known.follow(""):
            pass
    assert await known.arrived(repetition())
