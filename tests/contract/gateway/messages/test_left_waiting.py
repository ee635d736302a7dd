"""Messages that waited in a worker that died: who writes meanwhile does not get before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_router.turns.notices import stopped_waiting
from tests.kit.in_process import play

#: Messages wait in a worker, which dies, and are served again, one after the other.
_PLAY = """
from hermes_router.turns.worker.event_sender import DeliveryResult
from hermes_router.turns.worker.event_track import Outcome

def ask(router, order):
    "Have the turn that is served again wait for an answer of a person."
    over = asyncio.Event()
    over.set()

    async def offer(inbound, *, answer):
        order.append(inbound.fields["text"])
        inbound.track.finish(Outcome.ANSWERED)
        return DeliveryResult.ACCEPTED

    asking = SimpleNamespace(waits_for_person=True, resident=False, offer=offer, failure=None,
                             stopped=0.0, answered=over)
    router._dispatcher.running = lambda conversation: asking

async def play(router, adapter, say, home):
    order, tracks, tasks = [], {}, []

    async def serve(conversation, inbound, settings, **more):
        order.append(inbound.fields["text"])
        tracks[order[-1]] = inbound.track
        turn = SimpleNamespace(answered=asyncio.Event(), failure=None, stopped=0.0,
                               conversation=conversation)
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
    if ASKS:
        ask(router, order)
    await write("new", lambda text: text in order or len(router._ledger.open) > len(WAITED))
    if ASKS:
        await asyncio.sleep(0.2)
        return {"order": order}
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


def left(
    tmp_path: Path, *waited: str, stops: bool = False, asks: bool = False
) -> dict[str, list[str]]:
    return play(f"WAITED, STOPS, ASKS = {waited!r}, {stops}, {asks}\n{_PLAY}", tmp_path)


def test_a_new_message_stays_behind_those_that_wait_to_be_served_again(tmp_path: Path) -> None:
    seen = left(tmp_path, "first", "second")
    assert seen["order"] == ["first", "/profile", "second", "new"]
    assert (seen["told"], seen["steps"]) == ([], [])


def test_a_new_message_joins_the_one_that_is_served_again(tmp_path: Path) -> None:
    seen = left(tmp_path, "first")
    assert seen["before"] == ["first", "new", "/profile"]


def test_the_answer_that_the_first_one_asks_for_does_not_wait_behind_the_second(
    tmp_path: Path,
) -> None:
    assert left(tmp_path, "first", "second", asks=True)["order"] == ["first", "new"]


def test_a_new_message_that_a_stop_overtakes_is_kept_for_the_next_gateway(tmp_path: Path) -> None:
    seen = left(tmp_path, "first", "second", stops=True)
    assert "new" not in seen["order"]
    assert (seen["told"], seen["steps"]) == ([], ["accepted"])


#: Three messages wait in a worker, which dies; the first is served again when somebody sends /stop.
_STOPPED = """
from hermes_router.turns.turn import Halt
from hermes_router.turns.worker.event_track import Outcome

async def play(router, adapter, say, home):
    order, tracks, halted, tasks = [], {}, [], []

    async def serve(conversation, inbound, settings, **more):
        order.append(inbound.fields["text"])
        tracks[order[-1]] = inbound.track
        if order[-1] == COMMAND:
            inbound.track.finish(Outcome.ANSWERED)
        return turn

    async def halt(command):
        halted.append(command.fields["text"])
        tracks["first"].finish(Outcome.ANSWERED)
        return Halt.OBEYED

    turn = SimpleNamespace(answered=asyncio.Event(), failure=None, stopped=0.0, halt=halt,
                           resident=False)
    turn.answered.set()
    router._dispatcher.serve = serve

    for text in WAITED:
        tasks.append(asyncio.create_task(say(text)))
        await settled(lambda: text in order)
    for track in list(tracks.values()):
        track.finish(Outcome.AGAIN)
    order.clear()
    await settled(lambda: order or not WAITED)
    if WAITED:
        tasks.append(asyncio.create_task(say("new")))
        [conversation] = router._handler._conversations._known.values()
        await settled(lambda: conversation.again.waiting == len(WAITED))
    if RUNS:
        router._dispatcher.running = router._dispatcher.commanded = lambda conversation: turn
    await say(COMMAND)
    if WAITED and not halted:
        tracks["first"].finish(AGAIN)
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    return {"order": order, "halted": halted, "told": adapter.sent,
            "open": len(router._ledger.open)}
"""


def stopped(
    tmp_path: Path,
    command: str,
    *,
    runs: bool = False,
    again: str = "ANSWERED",
    waited: tuple[str, ...] = ("first", "second", "third"),
) -> dict[str, Any]:
    script = _STOPPED.replace("(AGAIN)", f"(Outcome.{again})")
    return play(f"COMMAND, RUNS, WAITED = {command!r}, {runs}, {waited}\n{script}", tmp_path)


def test_a_stop_takes_back_what_waits_to_be_served_again(tmp_path: Path) -> None:
    seen = stopped(tmp_path, "/stop", runs=True)
    assert (seen["order"], seen["halted"]) == (["first"], ["/stop"])
    assert (seen["told"], seen["open"]) == ([], 0)


def test_a_stop_says_so_if_no_worker_can(tmp_path: Path) -> None:
    seen = stopped(tmp_path, "/stop")
    assert (seen["order"], seen["told"], seen["open"]) == (["first"], [stopped_waiting()], 0)


def test_a_message_whose_worker_dies_once_more_is_not_served_after_a_stop(tmp_path: Path) -> None:
    seen = stopped(tmp_path, "/stop", again="AGAIN")
    assert (seen["order"], seen["open"]) == (["first"], 0)


def test_a_stop_where_nothing_waits_is_for_the_worker(tmp_path: Path) -> None:
    seen = stopped(tmp_path, "/stop", waited=())
    assert (seen["order"], seen["told"], seen["open"]) == (["/stop"], [], 0)


def test_a_new_session_takes_back_what_waits_too(tmp_path: Path) -> None:
    seen = stopped(tmp_path, "/new")
    assert (seen["order"], seen["told"], seen["open"]) == (
        ["first", "/new"],
        [stopped_waiting()],
        0,
    )


_BESIDE = """
from hermes_router.turns.worker.event_track import Outcome

async def play(router, adapter, say, home):
    order = []

    async def serve(conversation, inbound, settings, **more):
        order.append(inbound.fields["text"])
        turn = SimpleNamespace(answered=asyncio.Event(), failure=None, stopped=0.0,
                               conversation=conversation)
        turn.answered.set()
        inbound.track.finish(Outcome.AGAIN if len(order) == 1 else Outcome.ANSWERED)
        return turn

    router._dispatcher.serve = serve
    router._handler._overtakes = lambda *_: True
    await say("/profile")
    await settled(lambda: not router._ledger.open)
    return {"order": order}
"""


def test_a_command_beside_a_turn_is_served_again_if_its_worker_dies(tmp_path: Path) -> None:
    assert play(_BESIDE, tmp_path)["order"] == ["/profile", "/profile"]


#: A message waits in a worker that hangs, and that a /stop therefore ends.
_ENDED = """
import time
from hermes_router.turns.turn import Halt
from hermes_router.turns.worker.event_track import Outcome

async def play(router, adapter, say, home):
    order, tracks = [], {}

    async def serve(conversation, inbound, settings, **more):
        order.append(inbound.fields["text"])
        tracks[order[-1]] = inbound.track
        return turn

    async def halt(command):
        turn.stopped = time.monotonic()
        tracks["waits"].finish(Outcome.AGAIN)
        return Halt.ENDED

    turn = SimpleNamespace(answered=asyncio.Event(), failure=None, halt=halt, resident=False,
                           stopped=0.0)
    turn.answered.set()
    router._dispatcher.serve = serve
    waiting = asyncio.create_task(say("waits"))
    await settled(lambda: order)
    router._dispatcher.running = router._dispatcher.commanded = lambda conversation: turn
    await say("/stop")
    await asyncio.wait_for(waiting, 10)
    return {"order": order, "told": adapter.sent, "open": len(router._ledger.open)}
"""


def test_a_stop_that_ends_the_worker_takes_back_what_waited_in_it(tmp_path: Path) -> None:
    seen = play(_ENDED, tmp_path)
    assert (seen["order"], seen["open"]) == (["waits"], 0)
    assert len(seen["told"]) == 1, "only the stop is told of"
