"""The swap in a process with Hermes: what it costs, and whom it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.in_process import run

#: While /update waits: what Hermes takes as its answer, and what it would handle itself.
ANSWERS = ("y", "yes, please", "/approve", "/no")
NO_ANSWERS = ("/new", "/status", "/background tell me a secret", "/a-skill", "")

SCRIPT = """
import asyncio, itertools, json, os, statistics, sys, threading, time
from types import SimpleNamespace
from gateway.config import Platform
from gateway.platforms.base import MessageEvent
from gateway.session import SessionSource
from hermes_router.hermes import router as module
from hermes_router.turns.worker.event_track import Outcome

class Runner(SimpleNamespace):
    def _is_user_authorized(self, source): self.asked += 1; return source.user_id != "666"
    def _session_key_for_source(self, source): return "key"
    def _queue_startup_restore_event(self, event): self.queued.append(event)
    def _reply_anchor_for_event(self, event): return None
    def _thread_metadata_for_source(self, source, anchor): return {"thread_id": source.thread_id}
    _restart_requested = True
    def _status_action_gerund(self): return "gateway.busy.action_restarting"  # no locales

class Adapter:
    def __init__(self): self.sent = []
    async def send(self, chat_id, text, metadata=None): self.sent.append(text)

numbers = itertools.count(5)

def event(thread, user="1", text="hi", **source):
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id=thread, user_id=user, **source)
    return MessageEvent(text=text, source=source, message_id=str(next(numbers)))

async def main():
    adapter = Adapter()
    runner = Runner(
        asked=0, queued=[], adapters={Platform("telegram"): adapter}, session_store=None,
        config=SimpleNamespace(platforms={}),
    )
    router = module.GatewayRouter(runner)
    served = []
    async def serve_and_wait(event, profile): served.append(profile)
    calls = []
    async def original(): calls.append(1); return "the original's answer"
    await router.start()
    result = {}

    # unrouted: what it costs, and what it touches
    async def measure(handle):
        times = []
        for _ in range(3000):
            begun = time.perf_counter()
            await handle()
            times.append(time.perf_counter() - begun)
        return statistics.median(times)
    unrouted = event("99")
    bare = await measure(original)
    routed = await measure(lambda: router.handle(unrouted, original))
    result["overhead"] = routed - bare
    result["asked_for_unrouted"] = runner.asked
    touched, stats = [], []
    armed, here = False, threading.get_ident()  # what is started beside works in other threads
    def note(of, what):
        if armed and threading.get_ident() == here:
            of.append(what)
    sys.addaudithook(lambda name, args: note(touched, name))
    real_stat = os.stat
    os.stat = lambda *a, **k: (note(stats, a), real_stat(*a, **k))[1]
    armed = True
    result["answer"] = await router.handle(unrouted, original)
    armed = False
    os.stat = real_stat
    result["touched"], result["stats"] = touched, len(stats)

    serving = router._handler
    serving.serve_and_wait = serve_and_wait
    async def outcome(event):
        calls.clear(); served.clear()
        await router.handle(event, original)
        return {"original": len(calls), "served": list(served)}
    result["routed"] = await outcome(event("6"))
    result["stranger"] = await outcome(event("6", user="666"))
    result["stamped"] = await outcome(event("6", profile="systems"))
    def own(thread="6", **source):
        made = event(thread, text="go on", **source)
        made.internal, made.message_id = True, None
        return made
    async def own_outcome(event):
        busy = []
        async def original(): busy.append(1)
        found = await outcome(event)
        return found | {"taken": await router.handle_busy(event, original), "busy": len(busy)}
    result["own"] = await own_outcome(own())
    result["own_of_default"] = await own_outcome(own(profile="default"))
    result["own_unrouted"] = await outcome(own("99"))
    result["own_elsewhere"] = await outcome(own(profile="systems"))
    heartbeat = event("6"); heartbeat.message_id = None
    heartbeat.metadata = {"gateway_session_key": "agent:main:telegram:group:-100:6"}
    result["heartbeat"] = await own_outcome(heartbeat)
    from hermes_cli import goals
    fields = ("goal", "command", "attempt", "max_retries", "exit_code", "output")
    prompt = goals.CONTINUATION_PROMPT_TEMPLATE
    gate = getattr(goals, "CONTINUATION_PROMPT_GATE_FAILED_TEMPLATE", prompt)  # since Hermes 0.20
    for name, text in (("goal", prompt), ("gate", gate)):
        made = event("6", text=text.format(**dict.fromkeys(fields, "x")))
        result["quoted_" + name] = await outcome(made)
        made.message_id = None
        result[name] = await own_outcome(made)
    report = own(); report.message_id = "77"  # as before Hermes 0.22
    result["report"] = await own_outcome(report)
    internal = event("6", user="666"); internal.internal, internal.raw_message = True, object()
    result["internal_of_platform"] = await outcome(internal)
    result["restart"] = await outcome(event("6", text="/restart"))
    runner._update_prompt_pending = {"key": True}
    result["update"] = [await outcome(event("6", text=one)) for one in ANSWERS]
    result["other_commands"] = [await outcome(event("6", text=one)) for one in NO_ANSWERS]
    foreign = event("6", text="y")
    foreign.allow_gateway_control = False  # as Hermes marks what a plugin injects, since 0.22
    result["foreign"] = await outcome(foreign)
    del runner._update_prompt_pending
    runner._startup_restore_in_progress = True
    result["restoring"] = await outcome(event("6")) | {"queued": len(runner.queued)}
    runner._startup_restore_in_progress = False
    del serving.serve_and_wait
    ledger = router._root / "hermes-router" / "ledger.jsonl"
    def notes():
        lines = [json.loads(l) for l in ledger.read_text().splitlines()] if ledger.exists() else []
        steps = {line["id"]: line["step"] for line in lines if line.get("id")}
        return sum(step != "settled" for step in steps.values())
    turn, tracks = SimpleNamespace(answered=asyncio.Event(), failure=None), []
    async def serve(_event, _conversation, track, **_more):
        tracks.append(track)
        return turn
    serving._serve = serve
    busy = asyncio.create_task(serving.serve_busy(event("6"), "career"))
    for _ in range(1000):
        if tracks: break
        await asyncio.sleep(0.01)
    result["busy_noted"] = [notes()]
    turn.answered.set()
    tracks[0].finish(Outcome.ANSWERED)
    await busy
    result["busy_noted"].append(notes())
    del serving._serve
    runner._draining = True
    runner._running_agents, runner._running_agents_ts = {}, {}
    result["draining"] = await outcome(event("6", text="/profile")) | {"sent": list(adapter.sent)}
    result["busy"] = await router.handle_busy(event("6"), original)
    await asyncio.sleep(0.2)
    result["busy_sent"] = list(adapter.sent)
    print(json.dumps(result))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the swap once in a process of its own; return what it saw."""
    told = f"ANSWERS, NO_ANSWERS = {ANSWERS}, {NO_ANSWERS}\n"
    return run(told + SCRIPT, tmp_path_factory.mktemp("swap"))


def test_an_unrouted_message_costs_one_stat_and_next_to_no_time(seen: dict[str, Any]) -> None:
    assert seen["answer"] == "the original's answer"
    assert seen["overhead"] < 100e-6  # half of that on a free machine
    assert seen["stats"] == 1
    assert seen["asked_for_unrouted"] == 0


def test_an_unrouted_message_opens_and_starts_nothing(seen: dict[str, Any]) -> None:
    harmless = {"object.__getattr__", "builtins.id"}  # they read the object and nothing else
    assert [name for name in seen["touched"] if name not in harmless] == []


def test_a_routed_message_never_reaches_the_original(seen: dict[str, Any]) -> None:
    assert seen["routed"] == {"original": 0, "served": ["career"]}


def test_a_stranger_gets_hermes_own_treatment(seen: dict[str, Any]) -> None:
    assert seen["stranger"] == {"original": 1, "served": []}


def test_what_came_to_a_profiles_own_bot_is_not_ours(seen: dict[str, Any]) -> None:
    assert seen["stamped"] == {"original": 1, "served": []}
    assert seen["own_elsewhere"] == {"original": 1, "served": []}


@pytest.mark.parametrize("event", ["own", "own_of_default", "report", "heartbeat", "goal", "gate"])
def test_hermes_goes_on_with_nothing_of_its_own_in_a_routed_place(
    seen: dict[str, Any], event: str
) -> None:
    assert seen[event] == {"original": 0, "served": [], "taken": True, "busy": 0}


@pytest.mark.parametrize("event", ["quoted_goal", "quoted_gate"])
def test_what_a_person_quotes_of_a_goal_is_the_profiles(seen: dict[str, Any], event: str) -> None:
    assert seen[event] == {"original": 0, "served": ["career"]}


def test_hermes_goes_on_in_a_place_that_is_not_routed(seen: dict[str, Any]) -> None:
    assert seen["own_unrouted"] == {"original": 1, "served": []}


def test_a_message_that_its_adapter_marks_as_internal_is_the_profiles(seen: dict[str, Any]) -> None:
    """Hermes asks nobody who may write for such a message: no person wrote it."""
    assert seen["internal_of_platform"] == {"original": 0, "served": ["career"]}


def test_a_command_for_the_gateway_is_executed_by_the_gateway(seen: dict[str, Any]) -> None:
    assert seen["restart"] == {"original": 1, "served": []}


def test_an_answer_to_the_prompt_of_an_update_is_the_gateways(seen: dict[str, Any]) -> None:
    assert seen["update"] == [{"original": 1, "served": []}] * len(ANSWERS)


def test_what_is_no_answer_to_an_update_goes_to_the_profile(seen: dict[str, Any]) -> None:
    """Hermes would execute such a command itself, as the gateway's own profile."""
    served = [seen["routed"]["served"]] * len(NO_ANSWERS)
    assert [one["served"] for one in seen["other_commands"]] == served
    assert {one["original"] for one in seen["other_commands"]} == {0}
    assert seen["foreign"] == seen["routed"]


def test_a_message_during_the_restore_is_held(seen: dict[str, Any]) -> None:
    assert seen["restoring"] == {"original": 0, "served": [], "queued": 1}


def test_a_message_for_a_session_that_seems_busy_is_noted_until_it_is_answered(
    seen: dict[str, Any],
) -> None:
    assert seen["busy_noted"] == [1, 0]


def test_a_drain_is_answered_without_the_original(seen: dict[str, Any]) -> None:
    assert seen["draining"]["original"] == 0
    assert seen["draining"]["sent"] == [
        "⏳ Gateway is restarting and is not accepting new work right now."
    ]
    assert seen["busy"] is True
    assert seen["busy_sent"][-1] == (
        "⏳ Gateway is restarting and is not accepting another turn right now."
    )
