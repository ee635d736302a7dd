"""A routed person's turn in a topic whose session is everybody's: others do not end it."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

#: The person 7 is career's, and 8 writes to the gateway's own profile.
_PLAY = """
from gateway.session import build_session_key
from hermes_router.hermes.compat.seams import gateway_runner

async def play(router, _adapter, say, home):
    runner = router._runner
    runner._session_key_for_source = build_session_key
    runner._is_user_authorized_for_source = runner._is_user_authorized
    runner._admit_bot_message_for_source = lambda source: True
    runner._delivery_adapter_for = lambda source: adapter
    runner._busy_input_mode = "interrupt"
    runner._snapshot_running_agents = lambda: dict(runner._running_agents)
    adapter.platform, adapter._pending_messages = Platform("telegram"), {}
    async def no(*args, **more): return False
    runner._route_plaintext_approval_while_busy = no

    def source(user):
        return SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="forum",
                             thread_id="6", user_id=user)

    stopped, over = [], asyncio.Event()
    async def stop(reason, resume): stopped.append(reason)
    router._dispatcher.occupant = lambda conversation: SimpleNamespace(stop=stop)
    async def turn(event, conversation, *, busy): await over.wait()
    handler = router._handler
    handler._serve_entered, handler._stopped_waiting = turn, no
    handler._dispatcher = SimpleNamespace(running=lambda conversation: None,
                                          occupant=router._dispatcher.occupant,
                                          waits=lambda conversation: False)
    event = MessageEvent(text="a long task", source=source("7"), message_id="1")
    task = asyncio.create_task(router.handle(event, None))
    await settled(lambda: runner._running_agents)
    listed = [agent.model for agent in runner._running_agents.values()]
    shared = build_session_key(source("8"))
    other = MessageEvent(text="what is for dinner?", source=source("8"), message_id="2")
    try:
        await runner._handle_active_session_busy_message(other, shared)
    except Exception as error:  # what comes after the interruption needs a whole gateway
        print(repr(error))
    near = getattr(runner, "_same_chat_runs", lambda source, key: [])(source("8"), shared)
    await asyncio.sleep(0.1)
    by_others = list(stopped)
    sources = [gateway_runner.running_turns(runner)[0][2]]
    runner._interrupt_running_agents("Gateway shutting down")
    await asyncio.sleep(0.1)
    over.set()
    await task
    return {"listed": listed, "by_others": by_others, "stopped": stopped, "near": near,
            "seven": build_session_key(source("7")) == shared,
            "from": [one.user_id for one in sources], "left": list(runner._running_agents)}
"""
_ROUTES = """
gateway:
  profile_routes:
  - {platform: telegram, chat_id: '-100', thread_id: '6', user_id: '7', profile: career}
"""


def test_a_turn_is_stopped_by_the_gateway_and_not_by_other_people(tmp_path: Path) -> None:
    seen = play(_PLAY, tmp_path, _ROUTES)
    assert seen["seven"], "both write in one session, for the gateway's Hermes"
    assert (seen["by_others"], seen["near"]) == ([], [])
    assert seen["listed"] == ["profile career"]
    assert seen["from"] == ["7"]
    assert seen["stopped"] == ["Gateway shutting down"]
    assert seen["left"] == []
