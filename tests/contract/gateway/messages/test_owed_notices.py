"""A notice that is a message's outcome is sent in the end; until then the message has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import play

#: The platform is lost before the notice, and connected again after more than `_CONNECT_SECONDS`.
_PLAY = """
import anyio
from hermes_router.base.errors import ShortOfMemory, WorkerError
from hermes_router.hermes.compat.seams import sending
from hermes_router.state.ledger import Ledger
from hermes_router.turns.gate import TooBusy
from hermes_router.turns.worker.event_track import Outcome

sending._CONNECT_SECONDS = sending._TICK = 0.02
TELEGRAM = Platform("telegram")

def open_on_disk(home):
    "Return how many messages the next gateway would find without an outcome."
    copy = home / "ledger-copy.jsonl"  # a ledger writes its file anew when it has read it
    copy.write_bytes((home / "hermes-router" / "ledger.jsonl").read_bytes())
    return len(Ledger(copy).open)

async def play(router, adapter, say, home):
    runner, handler = router._runner, router._handler
    runner._running = True

    def lose():
        runner.adapters, runner._failed_platforms = {}, {TELEGRAM: {"attempts": 1}}

    async def refused(*_args, **_more):
        lose()
        raise ERROR

    async def ended(event, conversation, track, **_more):
        "The worker has the message, and ends; its turn tells people."
        lose()
        turn = SimpleNamespace(failure=None, answered=anyio.Event())
        async def account():
            track.finish(Outcome.ENDED)
            turn.owed = await conversation.tell("a notice")
            turn.answered.set()
        tasks.append(asyncio.create_task(account()))
        if INLINE:
            await track.settled.wait()
        return turn

    async def served(event, conversation, track, **_more):
        track.finish(Outcome.ANSWERED)
        return SimpleNamespace(failure=None, answered=answered)

    tasks, answered = [], anyio.Event()
    answered.set()
    if (ERROR) is None:
        handler._serve = ended
        handler._overtakes = lambda *_: INLINE
    else:
        handler._dispatcher.serve = refused
    await say("hello")
    await asyncio.sleep(0.3)
    away = [adapter.sent[:], open_on_disk(home)]
    handler._serve = served
    await say("are you there?")
    also_answered = open_on_disk(home)
    if STOPS:
        runner._draining = True
        await asyncio.sleep(0.3)
    runner.adapters, runner._failed_platforms = {TELEGRAM: adapter}, {}
    await settled(lambda: STOPS or not router._ledger.open)
    await asyncio.gather(*tasks)
    return {"away": away, "also_answered": also_answered, "said": adapter.sent,
            "open": open_on_disk(home)}
"""
#: The notice about the first message is owed, and the one about the second is sent.
_TWO = """
from hermes_router.hermes.compat.seams import sending
from hermes_router.hermes.compat.seams.sending import Sent
from hermes_router.turns.gate import TooBusy

async def play(router, adapter, say, home):
    results, later = [Sent.LATER, Sent.YES], asyncio.Event()
    async def now(*_args, **_more):
        return results.pop(0)
    async def in_the_end(*_args, **_more):
        await later.wait()
        return Sent.YES
    async def refused(*_args, **_more):
        raise TooBusy("career", 3, ahead=4)
    sending.try_to_send, sending.send_in_the_end = now, in_the_end
    router._dispatcher.serve = refused
    await say("the first")
    [first] = [entry.id for entry in router._ledger.open]
    await say("the second")
    before = [entry.id == first for entry in router._ledger.open]
    later.set()
    await settled(lambda: not router._ledger.open)
    return {"before": before, "open": len(router._ledger.open)}
"""

ERRORS = {
    "too busy": "TooBusy('career', 3, ahead=4)",
    "short of memory": "ShortOfMemory(5)",
    "no worker takes it": "WorkerError('five workers ended')",
    "its worker ends": "None",
}


def seen(home: Path, error: str, *, inline: bool = False, stops: bool = False) -> dict[str, Any]:
    script = _PLAY.replace("ERROR", ERRORS[error])
    return play(f"INLINE, STOPS = {inline}, {stops}\n{script}", home)


@pytest.mark.parametrize("error", ERRORS)
def test_a_notice_that_cannot_be_sent_is_sent_when_the_platform_is_back(
    tmp_path: Path, error: str
) -> None:
    found = seen(tmp_path, error)
    assert found["away"] == [[], 1]
    assert found["also_answered"] == 1, "the message that was answered meanwhile is open"
    assert len(found["said"]) == 1
    assert found["open"] == 0


def test_a_command_beside_a_turn_whose_worker_ends_waits_for_the_notice(tmp_path: Path) -> None:
    found = seen(tmp_path, "its worker ends", inline=True)
    assert found["away"] == [[], 1]
    assert (found["said"], found["open"]) == (["a notice"], 0)


@pytest.mark.parametrize("error", ["too busy", "its worker ends"])
def test_a_gateway_that_stops_before_leaves_the_message_to_the_next(
    tmp_path: Path, error: str
) -> None:
    found = seen(tmp_path, error, stops=True)
    assert found["away"] == [[], 1]
    assert (found["said"], found["open"]) == ([], 1)


def test_a_message_whose_notice_was_sent_does_not_wait_for_another_ones(tmp_path: Path) -> None:
    found = play(_TWO, tmp_path)
    assert (found["before"], found["open"]) == ([True], 0)


#: What keeps a message from each worker, and the platform is away. An earlier gateway left another
#: such message open.
_NO_WORKER = """
from hermes_router.hermes.compat.events import source_fields
from hermes_router.hermes.compat.seams import sending
from hermes_router.hermes import crash_recovery
from hermes_router.state.ledger import Identity, Ledger

sending._CONNECT_SECONDS = sending._TICK = sending._PAUSE_SECONDS = 0.02
crash_recovery._SEEN_SECONDS = 0.1
TELEGRAM = Platform("telegram")

def open_on_disk(home):
    copy = home / "ledger-copy.jsonl"
    copy.write_bytes((home / "hermes-router" / "ledger.jsonl").read_bytes())
    return len(Ledger(copy).open)

async def play(router, adapter, say, home):
    await router._configuration()
    runner, career = router._runner, home / "profiles" / "career"
    source = SessionSource(platform=TELEGRAM, chat_id="-100", chat_type="group", thread_id="6",
                           user_id="1")
    entry = router._ledger.accept(Identity(platform="telegram", chat_id="-100"), profile="career",
                                  session="key", source=source_fields(source))
    router._ledger.record(entry)
    if BROKEN == "profile":
        (career / "config.yaml").write_text("[broken")
    elif BROKEN == "serving":
        router._dispatcher.serve = None
    else:
        router._handler._conversations.of = None
    runner._running = True
    runner.adapters, runner._failed_platforms = {}, {TELEGRAM: {"attempts": 1}}
    metadata = {"hermes_router_entry": entry.id}
    event = MessageEvent(text="left open", source=source, metadata=metadata)
    recovering = asyncio.create_task(router._recovery()._hand_over(entry, event))
    connected = sending.until_connected
    async def at_once(*_args):
        return True
    sending.until_connected = at_once
    adapter_for = sending.adapter_for
    sending.adapter_for = lambda *_args: SimpleNamespace(handle_message=handle)
    async def handle(event):
        sending.until_connected, sending.adapter_for = connected, adapter_for
        await (router.handle_busy if BUSY else router.handle)(event, None)
    await settled(lambda: entry.taken)
    if BUSY:
        router.handle = router.handle_busy
    await say("hello")
    await asyncio.sleep(0.3)
    before = [adapter.sent[:], open_on_disk(home), entry.step, recovering.done()]
    runner.adapters, runner._failed_platforms = {TELEGRAM: adapter}, {}
    await settled(lambda: len(adapter.sent) > 1 and not router._ledger.open)
    recovered = await asyncio.wait_for(recovering, 20)
    return {"before": before, "told": adapter.sent, "open": open_on_disk(home),
            "recovered": recovered}
"""


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(
    ("broken", "left", "notice"),
    [
        ("profile", 1, "cannot be read"),
        ("serving", 2, "the router failed"),
        ("finding", 1, "the router failed"),
    ],
)
def test_a_notice_that_no_worker_can_get_a_message_is_owed_too(
    tmp_path: Path, broken: str, left: int, notice: str, *, busy: bool
) -> None:
    """A message whose conversation cannot be found is in no ledger, unless it was left open."""
    found = play(f"BROKEN, BUSY = {broken!r}, {busy}\n{_NO_WORKER}", tmp_path)
    assert found["before"] == [[], left, "accepted", False]
    assert [notice in told for told in found["told"]] == [True, True], found["told"]
    assert (found["open"], found["recovered"]) == (0, True)


_UNREADABLE = """
from hermes_router.hermes.compat.seams import sending

sending._CONNECT_SECONDS = sending._TICK = 0.02
TELEGRAM = Platform("telegram")

async def play(router, adapter, say, home):
    runner = router._runner
    runner._running = True
    runner.adapters, runner._failed_platforms = {}, {TELEGRAM: {"attempts": 1}}
    await say("hello")
    before = adapter.sent[:]
    runner.adapters, runner._failed_platforms = {TELEGRAM: adapter}, {}
    await settled(lambda: adapter.sent)
    return {"before": before, "told": adapter.sent}
"""


def test_a_notice_that_the_routes_cannot_be_read_waits_for_the_platform(tmp_path: Path) -> None:
    found = play(_UNREADABLE, tmp_path, "gateway: {profile_routes: [telegram]}\n")
    [told] = found["told"]
    assert (found["before"], "cannot be read" in told) == ([], True)
