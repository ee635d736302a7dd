"""The state of Hermes's ``GatewayRunner``: its start, its stop, and the turns that it counts."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio

logger = logging.getLogger(__name__)


def hermes_home() -> Path:
    """Return the Hermes home of the gateway process, also while it serves another profile."""
    constants = importlib.import_module("hermes_constants")
    of_process = getattr(constants, "get_process_hermes_home", constants.get_hermes_home)
    return Path(of_process())


def loop_of(runner: Any) -> asyncio.AbstractEventLoop | None:
    """Return the event loop that a gateway runs on; None before it runs."""
    loop: asyncio.AbstractEventLoop | None = getattr(runner, "_gateway_loop", None)
    return loop


def catch_up(module: ModuleType, then: Callable[[Any], None]) -> None:
    """If a gateway runs already, have its event loop call ``then`` with its runner; do not wait.

    The swap needs this if the plugin was loaded late. ``module`` is Hermes's module that holds the
    running gateway.
    """
    reference = getattr(module, "_gateway_runner_ref", None)
    runner = reference() if callable(reference) else None
    loop = loop_of(runner) if runner is not None else None
    if loop is not None:
        loop.call_soon_threadsafe(then, runner)


def drop_own_routes(runner: Any) -> None:
    """Have Hermes forget the routes that it has read, so that only the router chooses a profile.

    The user's file keeps them. With them, Hermes would refuse routed messages, and the kanban
    notices of routed profiles, as it does not serve these profiles itself.
    """
    config: Any = getattr(runner, "config", None)
    if hasattr(config, "profile_routes"):
        config.profile_routes = []


def rewire_adapters(runner: Any) -> None:
    """Set the message handlers of a running gateway's adapters again, and their session stores.

    They still hold the handlers from before the swap. The adapters of profiles' own bots have
    handlers that name their profile and find the runner's methods anew for each message. Only
    Hermes 0.19 gave them the runner's own method for a busy session.
    """
    wire = getattr(runner, "_wire_adapter_handlers", None)
    for adapter in tuple(runner.adapters.values()):
        if wire is not None:
            wire(adapter)
        else:
            adapter.set_message_handler(runner._handle_message)
            adapter.set_busy_session_handler(runner._handle_active_session_busy_message)
            adapter.set_session_store(runner.session_store)
    for adapters in getattr(runner, "_profile_adapters", {}).values():
        for adapter in tuple(adapters.values()):
            adapter.set_session_store(runner.session_store)
            if not hasattr(runner, "_make_profile_busy_session_handler"):
                adapter.set_busy_session_handler(runner._handle_active_session_busy_message)


def going_down(runner: Any) -> str:
    """Return the words for how the gateway stops: "restarting" or "shutting down".

    Hermes 0.22 has its own words for this in its user's language; the sentences here are English.
    """
    return "restarting" if restart_requested(runner) else "shutting down"


def restart_requested(runner: Any) -> bool:
    """Return True if the gateway stops in order to be started again."""
    return bool(getattr(runner, "_restart_requested", False))


def restart_was_commanded(runner: Any) -> bool:
    """Return True if somebody in a chat asked for this stop; home channels then get no notice."""
    return getattr(runner, "_restart_command_source", None) is not None


def running_turns(runner: Any) -> list[tuple[str, Any, Any]]:
    """Return what is in Hermes's table of running agents: session key, turn, and source or None.

    A routed turn is in it as the router's ``RunningTurn``.
    """
    cached = getattr(runner, "_get_cached_session_source", lambda _key: None)
    return [(key, turn, cached(key)) for key, turn in list(runner._running_agents.items())]


def restoring(runner: Any, event: Any) -> bool:
    """Return True if a message must wait, because the starting gateway restores its sessions.

    Returns False for a message that Hermes has held back before and now hands on.
    """
    return bool(
        getattr(runner, "_startup_restore_in_progress", False)
        and not getattr(event, "_hermes_startup_restore_replay", False)
    )


def hold_until_restored(runner: Any, event: Any) -> None:
    """Have Hermes hold a message back, and hand it on when it has restored its sessions.

    The router then gets the message a second time.
    """
    runner._queue_startup_restore_event(event)


def shutting_down(runner: Any) -> bool:
    """Return True if the gateway takes no new turns, because it stops or restarts."""
    return bool(getattr(runner, "_draining", False))


def drained_externally(runner: Any) -> bool:
    """Return True if another program has asked the gateway to begin no new turns."""
    return bool(getattr(runner, "_external_drain_active", False))


def drain_request(home: Path) -> Path:
    """Return the file in the gateway's home with which another program asks for such a drain."""
    return home / ".drain_request.json"


#: The commands that Hermes takes as an answer to the question of a running ``/update``.
_UPDATE_ANSWERS = frozenset({"approve", "yes", "deny", "no"})


def answers_update(runner: Any, event: Any) -> bool:
    """Return True if a message is what a running ``/update`` waits for in this conversation.

    That is a text, or a command that means yes or no. Hermes would execute any other command
    itself, and hand a message without text to its own model.
    """
    prompts = getattr(runner, "_update_prompt_pending", None)
    if not prompts or not prompts.get(runner._session_key_for_source(event.source)):
        return False
    command = event.get_command()
    said = command in _UPDATE_ANSWERS if command else bool((event.text or "").strip())
    return said and getattr(event, "allow_gateway_control", True)


def count_as_running(runner: Any, key: str, source: Any, turn: Any) -> None:
    """Enter a routed turn into Hermes's table of running agents.

    Then Hermes waits for it before it stops, and lists it in its status and in ``/agents``. ``key``
    must be of no session of Hermes's own: else people who write to the gateway's profile in the
    same place would interrupt or stop the turn.
    """
    runner._running_agents[key] = turn
    runner._running_agents_ts[key] = time.time()
    cache = getattr(runner, "_cache_session_source", None)
    if cache is not None:
        cache(key, source)
    _publish_count(runner)


def no_longer_running(runner: Any, key: str, turn: Any) -> None:
    """Remove a routed turn from Hermes's table of running agents, if it is still there."""
    if runner._running_agents.get(key) is turn:
        runner._running_agents.pop(key, None)
        runner._running_agents_ts.pop(key, None)
        _publish_count(runner)


@contextmanager
def hidden_turns(runner: Any, keys: Collection[str]) -> Iterator[None]:
    """While the block runs, hide the turns of these sessions from Hermes.

    ``keys`` are session keys. Hermes sends its stop notice in the block; these turns have got
    theirs from the router.
    """
    if not keys:
        yield
        return
    seen = runner._snapshot_running_agents
    runner._snapshot_running_agents = lambda: {
        key: turn for key, turn in seen().items() if key not in keys
    }
    try:
        yield
    finally:
        del runner._snapshot_running_agents


def _publish_count(runner: Any) -> None:
    """Have Hermes write how many turns run, as it does at the ends of its own turns."""
    publish = getattr(runner, "_persist_active_agents", None)
    if publish is None:
        return
    try:
        publish()
    except Exception:  # boundary: a count in a file is not worth a turn
        logger.warning(
            "hermes-router: the number of running turns could not be written", exc_info=True
        )


def restart_was_planned() -> bool:
    """Return True if the gateway before this one stopped for a restart that no chat asked for.

    Home channels then get the notice that the gateway is back.
    """
    module = importlib.import_module("gateway.run")
    return bool(getattr(module, "_planned_restart_notification_pending", lambda: False)())


def running(runner: Any) -> bool:
    """Return True if the gateway has started: its platforms are connected."""
    return bool(getattr(runner, "_running", False))


async def until_running(runner: Any, seconds: float = 120.0) -> None:
    """Wait until the gateway's platforms are connected, at most ``seconds``; then return anyway."""
    with anyio.move_on_after(seconds):
        while not running(runner):  # noqa: ASYNC110 - Hermes has no event
            await anyio.sleep(0.2)
