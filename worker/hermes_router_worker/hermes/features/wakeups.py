"""The recurring prompts of a session: ``/loop`` and ``/heartbeat`` (since 0.20).

Hermes keeps them in the profile's database, and a gateway looks there for what is due. A worker
tells the gateway, after each command and before it ends, when its session's next prompt is due. The
gateway then wakes the session, and the worker of that turn has Hermes look once. Hermes claims what
is due, and asks the agent.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from hermes_router_worker.hermes.session import queues

#: Seconds until a session is woken again whose due prompt Hermes did not begin.
RETRY = 60.0

logger = logging.getLogger(__name__)

#: By Hermes's name of the kind, with which the database's keys begin: where the state is.
_KINDS = {
    "loop": ("hermes_cli.loops", "LoopState"),
    "heartbeat": ("hermes_cli.heartbeat", "HeartbeatState"),
}


class RecurringPrompts:
    """The recurring prompts of one session: when the next is due, and having Hermes begin it.

    ``runner`` is Hermes's gateway runner, ``adapter`` the pipe adapter.
    """

    def __init__(self, runner: Any, adapter: Any, session_key: str) -> None:
        self._runner = runner
        self._adapter = adapter
        self._key = session_key
        self._not_before = 0.0

    def next_due(self) -> float | None:
        """Return when the next prompt is due, in seconds since the epoch, or None.

        The session tells the gateway, which then wakes it. Blocks to read the database. A loop that
        Hermes does not begin by itself has no time: it came from elsewhere, or waits until the
        session's ``/goal`` is reached. If Hermes did not begin what was due, the time is a minute
        later.
        """
        due = self._due()
        return None if due is None else max(due, self._not_before)

    async def fire(self, source: Any) -> None:
        """Have Hermes begin a turn for each prompt that is due.

        The receiver calls it when the gateway wakes the session; ``source`` says where the session
        is. Hermes itself puts off a prompt that may not begin now.
        """
        session = self._session_id()
        if session is None:
            return
        try:
            await self._fire(session, source)
        finally:
            await self._put_off()

    async def _fire(self, session: str, source: Any) -> None:
        await self._end_lost_turn(session, source)
        states = dict(self._active(session))
        if "loop" in states:
            await self._runner._loop_wakeup_fire_one(session, states["loop"], time.time(), set())
        if "heartbeat" in states:
            await self._runner._heartbeat_poll_once({self._key: (source, session)})

    async def _put_off(self) -> None:
        """Have the session woken a minute later, not at once, if what is due was not begun."""
        due = await asyncio.to_thread(self._due)
        if due is not None and due <= time.time() and not self._busy():
            self._not_before = time.time() + RETRY

    def _due(self) -> float | None:
        session = self._session_id()
        if session is None:
            return None
        states = dict(self._active(session))
        times = []
        if "loop" in states and _begins_by_itself(session, states["loop"]):
            times.append(float(states["loop"].next_due_at))
        if "heartbeat" in states:
            beat = states["heartbeat"]
            times.append(float(beat.last_fired_at or beat.created_at) + beat.interval_seconds)
        return min(times, default=None)

    async def _end_lost_turn(self, session: str, source: Any) -> None:
        """End the turn of a loop whose worker died in it: Hermes would wait for its answer.

        It counts as a turn without an answer, as Hermes counts one that failed.
        """
        state = dict(self._active(session)).get("loop")
        if state is None or not state.awaiting_response or not _of_a_chat(state) or self._busy():
            return
        loop = importlib.import_module("hermes_cli.loops").LoopManager(session)
        ended = await asyncio.to_thread(loop.complete_tick, "")
        if ended.get("message"):  # it was the last one
            await self._adapter.send(source.chat_id, ended["message"])

    def _busy(self) -> bool:
        return queues.any_message(self._runner, self._adapter)

    def _session_id(self) -> str | None:
        peek = getattr(self._runner.session_store, "peek_session_id", None)
        found: str | None = peek(self._key) if peek is not None else None
        return found

    def _active(self, session: str) -> Iterator[tuple[str, Any]]:
        """Yield the kinds of recurring prompts that there are, with Hermes's state of each."""
        database = getattr(self._runner._session_db, "_db", self._runner._session_db)
        for kind, (module, name) in _KINDS.items():
            stored = database.get_meta(f"{kind}:{session}")
            if not stored:
                continue
            try:
                state = getattr(importlib.import_module(module), name).from_json(stored)
            except Exception:  # boundary: other processes may write there; Hermes also only logs
                logger.warning("the %s of session %s cannot be read", kind, session, exc_info=True)
                continue
            if state.status == "active":
                yield kind, state


def _begins_by_itself(session: str, loop: Any) -> bool:
    """Say whether Hermes begins a loop's turns by itself: in chats, and not beside a goal."""
    blocks = getattr(importlib.import_module("hermes_cli.loops"), "goal_blocks_loop_tick", None)
    return _of_a_chat(loop) and not (blocks is not None and blocks(session))


def _of_a_chat(loop: Any) -> bool:
    """Say whether a loop was made in a chat; a terminal in which one was made runs it itself."""
    return bool(loop.route.get("platform") and loop.route.get("chat_id"))
