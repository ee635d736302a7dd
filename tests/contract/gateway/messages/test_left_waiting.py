"""Messages that waited in a worker that died: who writes meanwhile does not get before them."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

#: Messages wait in a worker, which dies, and are served again, one after the other.
_PLAY = """
from hermes_router.turns.worker.event_track import Outcome

async def play(router, adapter, say, home):
    order, tracks, tasks = [], {}, []

    async def serve(conversation, inbound, settings, **more):
        order.append(inbound.fields["text"])
        tracks[order[-1]] = inbound.track
        turn = SimpleNamespace(answered=asyncio.Event(), failure=None, conversation=conversation)
        turn.answered.set()
        return turn

    router._dispatcher.serve = serve

    async def write(text, seen=lambda text: text in order):
        tasks.append(asyncio.create_task(say(text)))
        await settled(lambda: seen(text))

    async def answer(text):
        tracks[text].finish(Outcome.ANSWERED)
        await asyncio.sleep(0.2)

    for text in WAITED:
        await write(text)
    order.clear()
    for text in WAITED:
        tracks[text].finish(Outcome.AGAIN)
    await settled(lambda: order)
    await write("new", lambda _text: len(router._ledger.open) > len(WAITED))
    await asyncio.sleep(0.2)
    await write("/profile")
    before = list(order)
    await answer("first")
    await settled(lambda: WAITED[-1] in order)
    if STOPS:
        router._runner._draining = True
    await answer(WAITED[-1])
    for text in order[:]:
        await answer(text)
    steps = [entry.step for entry in router._ledger.open]
    if not STOPS:
        await asyncio.gather(*tasks)
    return {"before": before, "order": order, "told": adapter.sent, "steps": steps}
"""


def left(tmp_path: Path, *waited: str, stops: bool = False) -> dict[str, list[str]]:
    return play(f"WAITED, STOPS = {waited!r}, {stops}\n{_PLAY}", tmp_path)


def test_a_new_message_stays_behind_those_that_wait_to_be_served_again(tmp_path: Path) -> None:
    seen = left(tmp_path, "first", "second")
    assert seen["order"] == ["first", "/profile", "second", "new"]
    assert (seen["told"], seen["steps"]) == ([], [])


def test_a_new_message_joins_the_one_that_is_served_again(tmp_path: Path) -> None:
    seen = left(tmp_path, "first")
    assert seen["before"] == ["first", "new", "/profile"]


def test_a_new_message_that_a_stop_overtakes_is_kept_for_the_next_gateway(tmp_path: Path) -> None:
    seen = left(tmp_path, "first", "second", stops=True)
    assert "new" not in seen["order"]
    assert (seen["told"], seen["steps"]) == ([], ["accepted"])
