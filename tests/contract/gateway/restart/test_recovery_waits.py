"""What an earlier gateway left open waits: for its bot, for its session, and for its outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.in_process import ROUTES, play

#: The waits of the router are short here, and `_CONNECT_SECONDS` is over before the bot connects.
_FRAME = """
from hermes_router.hermes import crash_recovery
from hermes_router.hermes.compat.events import event_fields, source_fields
from hermes_router.hermes.compat.seams import sending
from hermes_router.state import kept_event
from hermes_router.state.ledger import Identity, Ledger

sending._CONNECT_SECONDS = sending._TICK = sending._PAUSE_SECONDS = 0.02
sending.RETRY_SECONDS = ()
crash_recovery._BUSY_SECONDS = 0.05
TELEGRAM = Platform("telegram")
SOURCE = SessionSource(platform=TELEGRAM, chat_id="-100", chat_type="group", thread_id="6",
                       user_id="1")

def left_open(router, home, number, bot=None):
    "Return the entry of a message that an earlier gateway had accepted; bot owns the bot."
    event = MessageEvent(text=f"message {number}", source=SOURCE, message_id=number)
    identity = Identity(platform="telegram", chat_id="-100", parts=((number, ""),))
    entry = router._ledger.accept(identity, profile="career", session="key",
                                  source=source_fields(SOURCE) | ({"profile": bot} if bot else {}))
    router._ledger.record(entry)
    fields = event_fields(event, channel_prompt=None)
    kept_event.keep(home / "profiles" / "career", entry.id, fields, files=False)
    return entry

def recovery(router):
    router._runner._running = True
    return asyncio.create_task(router._recovery().run())

def disconnected(router):
    router._runner.adapters, router._runner._failed_platforms = {}, {TELEGRAM: {"attempts": 1}}

def connect(router, adapter):
    router._runner.adapters, router._runner._failed_platforms = {TELEGRAM: adapter}, {}

def open_on_disk(home):
    "Return how many messages the next gateway would find without an outcome."
    copy = home / "ledger-copy.jsonl"  # a ledger writes its file anew when it has read it
    copy.write_bytes((home / "hermes-router" / "ledger.jsonl").read_bytes())
    return len(Ledger(copy).open)
"""

_CONNECTED_LATE = """
async def play(router, adapter, say, home):
    await router._configuration()
    entry = left_open(router, home, "1")
    if BEGUN:
        entry.begun()
    handed = []
    async def handle_message(event):
        handed.append(event.text)
        (await router._handler._register.enter(event, None)).settle()
    adapter.handle_message = handle_message
    disconnected(router)
    recovering = recovery(router)
    await asyncio.sleep(0.5)
    before = [handed[:], adapter.sent[:], open_on_disk(home)]
    if STOPS:
        router._runner._draining = True
    else:
        connect(router, adapter)
    await asyncio.wait_for(recovering, 20)
    kept = kept_event.read(home / "profiles" / "career", entry.id)
    return {"before": before, "handed": handed, "said": adapter.sent,
            "open": open_on_disk(home), "kept": kept is not None}
"""


def test_a_message_that_nobody_had_begun_is_served_when_its_bot_is_connected(
    tmp_path: Path,
) -> None:
    seen = _connected_late(tmp_path)
    assert seen["before"] == [[], [], 1]
    assert (seen["handed"], seen["said"]) == (["message 1"], [])
    assert (seen["open"], seen["kept"]) == (0, False)


def test_a_message_that_was_begun_is_told_of_when_its_bot_is_connected(tmp_path: Path) -> None:
    seen = _connected_late(tmp_path, begun=True)
    assert seen["before"] == [[], [], 1]
    [notice] = seen["said"]
    assert "message 1" in notice
    assert (seen["handed"], seen["open"], seen["kept"]) == ([], 0, False)


def test_a_gateway_that_stops_before_its_bot_is_connected_leaves_all_to_the_next(
    tmp_path: Path,
) -> None:
    for begun in (False, True):
        home = tmp_path / str(begun)
        home.mkdir()
        seen = _connected_late(home, begun=begun, stops=True)
        assert (seen["handed"], seen["said"]) == ([], [])
        assert (seen["open"], seen["kept"]) == (1, True)


_TWO_BOTS = """
async def play(router, adapter, say, home):
    await router._configuration()
    connected = sending.until_connected
    async def until_connected(runner, source):
        if source.profile == "kids":
            await asyncio.Event().wait()
        return await connected(runner, source)
    sending.until_connected = until_connected
    handed = []
    async def handle_message(event):
        handed.append(event.text)
        (await router._handler._register.enter(event, None)).settle()
    adapter.handle_message = handle_message
    left_open(router, home, "1", bot="kids")
    left_open(router, home, "2")
    recovering = recovery(router)
    await settled(lambda: handed)
    recovering.cancel()
    return {"handed": handed}
"""


def test_a_bot_that_is_not_connected_holds_up_no_message_to_another_bot(tmp_path: Path) -> None:
    assert play(_FRAME + _TWO_BOTS, tmp_path)["handed"] == ["message 2"]


def _connected_late(home: Path, *, begun: bool = False, stops: bool = False) -> dict[str, Any]:
    return play(f"BEGUN, STOPS = {begun}, {stops}\n{_FRAME}{_CONNECTED_LATE}", home)


_REFUSED = """
async def play(router, adapter, say, home):
    await router._configuration()
    entry = left_open(router, home, "1")
    entry.begun()
    answers = [SimpleNamespace(success=False, retryable=RETRYABLE, error="no such luck")] * 2
    said = []
    async def send(chat_id, text, metadata=None):
        said.append(open_on_disk(home))
        return answers.pop() if answers else SimpleNamespace(success=True)
    adapter.send = send
    await asyncio.wait_for(recovery(router), 20)
    return {"said": said, "open": open_on_disk(home)}
"""


def test_a_notice_that_does_not_arrive_is_sent_again_until_it_does(tmp_path: Path) -> None:
    seen = play(f"RETRYABLE = True\n{_FRAME}{_REFUSED}", tmp_path)
    assert seen["said"] == [1, 1, 1]
    assert seen["open"] == 0


def test_a_notice_that_a_platform_refuses_for_good_is_not_sent_again(tmp_path: Path) -> None:
    seen = play(f"RETRYABLE = False\n{_FRAME}{_REFUSED}", tmp_path)
    assert (seen["said"], seen["open"]) == ([1], 0)


_WORKS = """
import time

async def play(router, adapter, say, home):
    folder = home / "hermes-router" / "background"
    router._open_works.note("1f0c2a9b", source_fields(SOURCE), ["a build"])
    (folder / "2a9b1f0c.json").write_text("garbage")
    router._open_works.note("0c2a9b1f", source_fields(SOURCE), ["an old build"])
    for file, hours in (("1f0c2a9b", 47), ("0c2a9b1f", 49)):
        os.utime(folder / f"{file}.json", times=(time.time() - hours * 3600,) * 2)
    router._runner._running = True
    disconnected(router)
    await router.start()
    await asyncio.sleep(0.5)
    before = [adapter.sent[:], sorted(path.stem for path in folder.iterdir())]
    if STOPS:
        router._runner._draining = True
        await asyncio.sleep(0.3)
    connect(router, adapter)
    await settled(lambda: STOPS or adapter.sent)
    return {"before": before, "said": adapter.sent,
            "after": sorted(path.stem for path in folder.iterdir())}
"""


def test_a_conversation_is_told_of_its_ended_work_when_its_bot_is_connected(
    tmp_path: Path,
) -> None:
    seen = play(f"STOPS = False\n{_FRAME}{_WORKS}", tmp_path)
    assert seen["before"] == [[], ["1f0c2a9b"]]
    [notice] = seen["said"]
    assert "a build" in notice
    assert notice.endswith(" [1f0c2a9b]")
    assert seen["after"] == []


def test_a_gateway_that_stops_before_that_leaves_the_note_to_the_next(tmp_path: Path) -> None:
    seen = play(f"STOPS = True\n{_FRAME}{_WORKS}", tmp_path)
    assert (seen["said"], seen["after"]) == ([], ["1f0c2a9b"])


_TAKES_LONG = """
if TOO_OLD:
    crash_recovery._TOO_OLD_TO_SERVE = 0.3

async def play(router, adapter, say, home):
    await router._configuration()
    first, second = left_open(router, home, "1"), left_open(router, home, "2")
    handed = []
    async def handle_message(event):
        handed.append(event.text)
        await router._handler._register.enter(event, None)
    adapter.handle_message = handle_message
    recovering = recovery(router)
    await asyncio.sleep(0.5)
    before = [handed[:], open_on_disk(home)]
    first.settle()
    await settled(lambda: len(handed) > 1)
    second.settle()
    await asyncio.wait_for(recovering, 20)
    return {"before": before, "handed": handed, "said": adapter.sent, "open": open_on_disk(home)}
"""


def test_a_message_that_takes_long_stays_open_and_the_next_one_waits_for_it(
    tmp_path: Path,
) -> None:
    seen = play(f"TOO_OLD = False\n{_FRAME}{_TAKES_LONG}", tmp_path)
    assert seen["before"] == [["message 1"], 2]
    assert seen["handed"] == ["message 1", "message 2"]
    assert (seen["said"], seen["open"]) == ([], 0)


def test_a_message_does_not_become_too_old_behind_the_one_before_it(tmp_path: Path) -> None:
    """The first one takes longer than a message may be old that is served."""
    seen = play(f"TOO_OLD = True\n{_FRAME}{_TAKES_LONG}", tmp_path)
    assert (seen["handed"], seen["said"]) == (["message 1", "message 2"], [])


_TWO_COPIES = """
async def play(router, adapter, say, home):
    entry = left_open(router, home, "1")
    event = MessageEvent(text="", source=SOURCE, internal=True,
                         metadata={"hermes_router_entry": entry.id})
    entry.begun()
    entry.cut_off()
    served = [await router._handler._register.enter(event, None) for _copy in range(2)]
    return {"served": [one is entry for one in served], "step": str(entry.step)}
"""


def test_a_message_that_is_handed_over_twice_is_served_once(tmp_path: Path) -> None:
    """Hermes may have held back the first copy, while it restored its sessions."""
    seen = play(f"{_FRAME}{_TWO_COPIES}", tmp_path)
    assert (seen["served"], seen["step"]) == ([True, False], "resumed")


_NOT_SERVED = """
async def play(router, adapter, say, home):
    await router._configuration()
    entry = left_open(router, home, "1")
    (home / "profiles" / "career" / "config.yaml").write_text(CONFIG)
    crash_recovery._SEEN_SECONDS = 0.3
    async def handle_message(event):
        if REACHES:
            await router.handle(event, None)
    adapter.handle_message = handle_message
    await asyncio.wait_for(recovery(router), 20)
    return {"said": adapter.sent, "open": open_on_disk(home)}
"""


def test_a_notice_that_no_worker_gets_a_message_is_its_outcome(tmp_path: Path) -> None:
    seen = play(f"CONFIG, REACHES = '[broken', True\n{_FRAME}{_NOT_SERVED}", tmp_path)
    [notice] = seen["said"]
    assert "cannot be read" in notice
    assert seen["open"] == 0


def test_a_message_that_hermes_does_not_hand_on_is_told_of(tmp_path: Path) -> None:
    seen = play(f"CONFIG, REACHES = '{{}}', False\n{_FRAME}{_NOT_SERVED}", tmp_path)
    [notice] = seen["said"]
    assert "message 1" in notice
    assert seen["open"] == 0


#: A command makes the session busy; Hermes's adapter asks the busy handler meanwhile.
_BUSY = """
async def play(router, adapter, say, home):
    await router._configuration()
    entry = left_open(router, home, "1")
    entry.begun()
    entry.cut_off()
    busy, served, steps = [True], [], []
    async def handle_message(event):
        if busy:
            accepted = await router.handle_busy(event, None)
            steps.append([accepted, str(entry.step)])
        else:
            await router.handle(event, None)
    async def serve_and_wait(event, profile):
        taken = await router._handler._register.enter(event, None)
        served.append([event.text, event.internal, profile, str(taken.step)])
        taken.settle()
    adapter.handle_message = handle_message
    router._handler.serve_and_wait = serve_and_wait
    recovering = recovery(router)
    await settled(lambda: len(steps) > 1)
    before = [steps[:2], open_on_disk(home)]
    if REROUTED:
        (home / "config.yaml").write_text(ROUTES.replace("career", "systems"))
        await router._configuration()
    busy.clear()
    await asyncio.wait_for(recovering, 20)
    again = MessageEvent(text="", source=SOURCE, internal=True,
                         metadata={"hermes_router_entry": entry.id})
    after = [await router.handle(again, None), await router.handle_busy(again, None)]
    return {"before": before, "served": served, "after": after, "said": adapter.sent,
            "open": open_on_disk(home)}
"""


def test_a_turn_that_is_to_go_on_waits_until_its_session_is_free(tmp_path: Path) -> None:
    seen = play(f"ROUTES, REROUTED = {ROUTES!r}, False\n{_FRAME}{_BUSY}", tmp_path)
    assert seen["before"] == [[[True, "cut_off"], [True, "cut_off"]], 1]
    assert seen["served"] == [["", True, "career", "resumed"]]
    assert (seen["after"], seen["said"], seen["open"]) == ([None, True], [], 0)


def test_a_turn_whose_place_is_routed_elsewhere_while_it_waits_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "systems").mkdir(parents=True)
    (tmp_path / "profiles" / "systems" / "SOUL.md").touch()
    seen = play(f"ROUTES, REROUTED = {ROUTES!r}, True\n{_FRAME}{_BUSY}", tmp_path)
    [notice] = seen["said"]
    assert "message 1" in notice
    assert (seen["served"], seen["open"]) == ([], 0)


#: A turn of the session runs, of which the adapter does not know.
_RUNS_UNSEEN = """
async def play(router, adapter, say, home):
    await router._configuration()
    entry = left_open(router, home, "1")
    entry.begun()
    entry.cut_off()
    event = MessageEvent(text="", source=SOURCE, internal=True,
                         metadata={"hermes_router_entry": entry.id})
    served = []
    async def serve(event, conversation, track, **_more):
        served.append(str(entry.step))
        track.told = True
    router._handler._serve = serve
    occupant, waits = router._dispatcher.occupant, router._dispatcher.waits
    steps = []
    for busy in ("runs", "waits", ""):
        turn = SimpleNamespace(resident=False) if busy == "runs" else None
        router._dispatcher.occupant = lambda conversation: turn
        router._dispatcher.waits = lambda conversation: busy == "waits"
        entry.seen = asyncio.Event()
        await router.handle(event, None)
        steps.append([entry.seen.is_set(), entry.taken, str(entry.step)])
    return {"steps": steps, "served": served}
"""


def test_a_turn_that_is_to_go_on_waits_for_turns_that_its_adapter_does_not_see(
    tmp_path: Path,
) -> None:
    seen = play(f"{_FRAME}{_RUNS_UNSEEN}", tmp_path)
    waits = [True, False, "cut_off"]
    assert seen["steps"] == [waits, waits, [True, True, "settled"]]
    assert seen["served"] == ["resumed"]


#: The second message is of a platform whose plugin is gone.
_TOO_OLD = """
import time
from hermes_router.state.ledger import Step

async def play(router, adapter, say, home):
    await router._configuration()
    entries = [left_open(router, home, number) for number in ("1", "2", "3")]
    entries[1].source["platform"] = entries[2].source["platform"] = "no-such-platform"
    for entry, hours in zip(entries, (49, 49, 47)):
        entry.at = time.time() - hours * 3600
    await asyncio.wait_for(recovery(router), 20)
    kept = [kept_event.read(home / "profiles" / "career", entry.id) for entry in entries]
    return {"settled": [entry.step is Step.SETTLED for entry in entries], "said": adapter.sent,
            "kept": [one is not None for one in kept]}
"""


def test_a_message_that_is_too_old_to_be_told_of_is_forgotten_whatever_its_platform(
    tmp_path: Path,
) -> None:
    seen = play(f"{_FRAME}{_TOO_OLD}", tmp_path)
    assert (seen["settled"], seen["said"]) == ([True, True, False], [])
    assert seen["kept"] == [False, False, True]
