"""The stop of a gateway: its workers are told, whatever became of what ran beside the turns."""

from __future__ import annotations

from pathlib import Path

import pytest

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


#: Hermes cancels who waits for a message when it disconnects the platforms: here before the worker,
#: which has begun the message, has said what became of it.
_CANCELLED = """
async def play(router, adapter, say, home):
    from hermes_router.turns.worker.event_track import Outcome

    tracks, turn = [], SimpleNamespace(answered=asyncio.Event(), failure=None)

    async def serve(event, conversation, track, **_more):
        track.note("begun")
        tracks.append(track)
        return turn

    router._handler._serve = serve
    waiting = asyncio.create_task(say("are you there?"))
    await settled(lambda: tracks)
    router._runner._draining = True
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    [entry] = router._ledger.open
    before = entry.step
    if OUTCOME == "CUT_OFF":
        tracks[0].note("cut_off")
    tracks[0].finish(Outcome[OUTCOME])
    turn.answered.set()
    await settled(lambda: not router._ledger.open or entry.step != before)
    return {"before": before, "after": entry.step, "open": len(router._ledger.open)}
"""


@pytest.mark.parametrize(
    ("outcome", "after", "open_"), [("CUT_OFF", "cut_off", 1), ("ANSWERED", "settled", 0)]
)
def test_a_stop_that_is_faster_than_the_worker_loses_no_message(
    tmp_path: Path, outcome: str, after: str, open_: int
) -> None:
    seen = play(f"OUTCOME = {outcome!r}\n{_CANCELLED}", tmp_path)
    assert (seen["before"], seen["after"], seen["open"]) == ("begun", after, open_)


#: Hermes cancels who waits for a message also when somebody sends `/new` in the session that the
#: adapter sees. Here the message still waits for its slot, and nobody took it back.
_NOT_STOPPING = """
async def play(router, adapter, say, home):
    from hermes_router.turns.worker.event_track import Outcome

    free, waits = asyncio.Event(), []

    async def serve(conversation, inbound, settings, **_more):
        waits.append(inbound)
        await free.wait()
        inbound.track.finish(Outcome.ANSWERED)
        turn = SimpleNamespace(answered=asyncio.Event(), failure=None, conversation=conversation)
        turn.answered.set()
        return turn

    router._dispatcher.serve = serve
    waiting = asyncio.create_task(say("are you there?"))
    await settled(lambda: waits)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    before = [entry.step for entry in router._ledger.open]
    free.set()
    await settled(lambda: not router._ledger.open)
    return {"before": before, "answered": waits[0].track.outcome is Outcome.ANSWERED,
            "open": len(router._ledger.open)}
"""


def test_a_message_is_served_though_its_adapter_waits_for_it_no_more(tmp_path: Path) -> None:
    seen = play(_NOT_STOPPING, tmp_path)
    assert (seen["before"], seen["answered"], seen["open"]) == (["accepted"], True, 0)


#: A turn ended because the gateway stops, and gave its place to a message.
_NOT_BEGUN = """
async def play(router, adapter, say, home):
    from hermes_router.base.errors import NotWanted

    async def serve(*_arguments, **_more):
        router._dispatcher._gates.closed = True
        raise NotWanted("the gateway stops")

    router._dispatcher.serve = serve
    if BUSY:
        router.handle = router.handle_busy
    await say("are you there?")
    await settled(lambda: router._dispatcher.closing and not list(router._tasks))
    return {"told": adapter.sent, "steps": [entry.step for entry in router._ledger.open]}
"""


@pytest.mark.parametrize("busy", [False, True])
def test_a_message_whose_turn_a_stop_prevents_is_kept_for_the_next_gateway(
    tmp_path: Path, *, busy: bool
) -> None:
    seen = play(f"BUSY = {busy}\n{_NOT_BEGUN}", tmp_path)
    assert (seen["told"], seen["steps"]) == ([], ["accepted"])


#: The profile has no place free when Hermes begins to stop; running turns may go on.
_WAITS = """
async def play(router, adapter, say, home):
    from hermes_router.turns.gate import Gate

    async def nothing(*_arguments):
        return ()

    router.notices.going = router._jobs.members = nothing
    Gate.open = lambda gate, limits: False
    waiting = asyncio.create_task(say("are you there?"))
    await settled(lambda: router._dispatcher.waiting_for_slot("career"))
    told = adapter.sent[:]
    await router.let_go()
    await asyncio.wait_for(waiting, 10)
    return {"told": adapter.sent[len(told):], "closing": router._dispatcher.closing,
            "steps": [entry.step for entry in router._ledger.open]}
"""


def test_what_waits_for_its_turn_when_hermes_begins_to_stop_is_the_next_gateways(
    tmp_path: Path,
) -> None:
    """Before, it began its turn if a running one ended in time, though no platform was there."""
    seen = play(_WAITS, tmp_path)
    assert (seen["told"], seen["closing"], seen["steps"]) == ([], True, ["accepted"])
