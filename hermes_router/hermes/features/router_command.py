"""``/router`` in a chat: who answers here and why, and how the last messages ended.

People who may give the gateway's own commands in a place may use it there. It works in routed and
in other places: to route a place, you need its id.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.config.model import Decision, RouterConfig
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes.compat.events import place_of, place_to_route
from hermes_router.hermes.compat.seams import command_rules
from hermes_router.hermes.features import gateway_commands
from hermes_router.observe import records
from hermes_router.observe.usable import Usable
from hermes_router.profiles import model
from hermes_router.profiles.commands import Commands
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import Place
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.story import OUTCOMES, TurnReport
from hermes_router.workers.pool import WorkerPool

NAME = "router"
_LAST = 3


class RouterCommand:
    """Answers ``/router``, with which people in a chat ask who answers there and why.

    ``commands`` are the commands that the answer tells people to run.
    """

    def __init__(
        self,
        runner: Any,
        commands: Commands,
        watcher: ConfigWatcher,
        dispatcher: Dispatcher,
        workers: WorkerPool,
    ) -> None:
        self._runner = runner
        self._commands = commands
        self._watcher = watcher
        self._dispatcher = dispatcher
        self._workers = workers
        self._usable = Usable(commands.home, workers)

    def is_asked(self, event: Any) -> bool:
        """Return True if a message is ``/router``, from somebody whom the gateway listens to."""
        source = getattr(event, "source", None)
        return (
            source is not None
            and not event.internal
            and not getattr(source, "profile", None)
            and event.get_command() == NAME
            and command_rules.authorized(self._runner, source)
        )

    async def answer(self, event: Any) -> str:
        """Return the reply to ``/router``, or a refusal if the sender may not ask."""
        place = place_of(event.source)
        try:
            config = await self._watcher.fresh()
        except ConfigError:
            check = self._commands.router("routes")
            return f"The routes cannot be read. `{check}` says what to correct."
        decision = config.decide(place_to_route(event.source))
        refused = await gateway_commands.refusal(
            self._runner, event.source, NAME, self._profile(decision), only_shows=True
        )
        if refused is not None:
            return refused
        problem = await self._problem(decision)
        turns = await asyncio.to_thread(self._last, decision, spelled(place))
        return "\n".join(self._lines(config, place, decision, problem, turns))

    def _profile(self, decision: Decision) -> model.Profile | None:
        try:
            return model.find(decision.profile or "", model.hermes_root(self._commands.home))
        except ProfileError:
            return None

    def _lines(
        self,
        config: RouterConfig,
        place: Place,
        decision: Decision,
        problem: str,
        turns: list[TurnReport],
    ) -> Iterator[str]:
        yield f"This place: {spelled(place)}"
        if place.user_id:
            yield f"You: user {place.user_id}"
        yield f"Answered by: {_who(config, decision)}"
        if problem:
            yield f"Nobody can answer now: {problem}"
        elif decision.action == "worker":
            yield f"Worker: {self._worker(decision.profile or '', spelled(place))}"
        yield from map(_turn, turns)
        if decision.match is None:
            words = f"route add {shlex.quote(spelled(place))} PROFILE"
            yield f"To route it: {self._commands.router(words)}"

    async def _problem(self, decision: Decision) -> str:
        """Return why nobody can answer in a routed place now; "" if somebody can."""
        if decision.action != "worker":
            return ""
        unusable, start_problem = await self._usable.problems(decision.profile or "")
        if unusable:
            return f"the profile {unusable}"
        if start_problem:
            return f"its workers cannot be started: {start_problem}"
        return self._usable.short_of_memory()

    def _worker(self, profile: str, place: str) -> str:
        for turn in self._dispatcher.turns:
            if turn.conversation.profile.name == profile and turn.story.report.place == place:
                what = "stays because of background work" if turn.resident else "works"
                told = f"{what}, turn {turn.id}, for {turn.age:.0f} s"
                return f"{told}; {_messages(len(turn.waiting))} behind it" if turn.waiting else told
        if waiting := self._dispatcher.waiting_for_slot(profile):
            return f"none here; {_messages(waiting)} for a free turn of the profile"
        ready = any(name == profile and role == "ready" for name, role, *_ in self._workers.idle())
        return "none runs here; one is ready" if ready else "none runs here; it would start cold"

    def _last(self, decision: Decision, place: str) -> list[TurnReport]:
        if decision.action != "worker":
            return []
        found = records.read(records.folder_of(self._commands.home), decision.profile)
        return [turn for turn in found if turn.place == place][-_LAST:]


def _who(config: RouterConfig, decision: Decision) -> str:
    who = {"deny": "nobody", "in_process": "the gateway's own profile"}.get(decision.action)
    who = who or f"profile {decision.profile}"
    if decision.match is None:
        return f"{who}, because no route matches (unmatched: {config.unmatched.default})"
    route = decision.match.route
    name = f" {route.name!r}" if route.name else ""
    return f"{who}, by the route{name} in {Path(route.file).name}, line {route.line}"


def _turn(turn: TurnReport) -> str:
    at = records.arrived(turn)
    when = "" if at is None else f"{at.astimezone():%H:%M} "
    seconds = "" if turn.seconds is None else f" in {turn.seconds:.1f} s"
    by = f", by the fallback {turn.model}" if turn.fallback else ""
    return f"{when}[{turn.turn}] {OUTCOMES.get(turn.outcome, turn.outcome)}{seconds}{by}"


def _messages(waiting: int) -> str:
    """Return how many messages wait, in words."""
    return "1 message waits" if waiting == 1 else f"{waiting} messages wait"
