"""Build the status of the running router for clients of the status socket and for metrics."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import anyio.to_thread

from hermes_router.config.model import RouterConfig
from hermes_router.config.reader import Unmatched
from hermes_router.config.settings import Settings
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.observe import metrics
from hermes_router.observe.figures import Figures
from hermes_router.observe.processes import Usage, usage
from hermes_router.observe.status import messages
from hermes_router.observe.usable import Usable
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.relay.relay import refused_calls
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.turn import Turn
from hermes_router.workers.code import own_code
from hermes_router.workers.pool import WorkerPool

_MOST_WAITING = 1000

#: Problems of the configuration that each status looks at anew and tells with the profile: what the
#: last reading of the file found may be over.
_TOLD_ANEW = frozenset({"missing-profile"})


class Overview:
    """Answers the questions of the status socket and of the metrics port.

    ``versions`` returns the versions of the router and of Hermes. ``holds`` returns a line for each
    reason why Hermes itself begins no new turn now; it gets the routed profiles' names, and blocks.
    """

    def __init__(
        self,
        home: Path,
        watcher: ConfigWatcher,
        dispatcher: Dispatcher,
        workers: WorkerPool,
        figures: Figures,
        versions: Callable[[], Mapping[str, str]],
        holds: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._home = home
        self._watcher = watcher
        self._dispatcher = dispatcher
        self._workers = workers
        self._figures = figures
        self._versions = versions
        self._holds = holds
        self._usable = Usable(home, workers)
        self._begun = time.monotonic()

    async def answer(self, ask: messages.Ask) -> messages.Answer:
        """Return what a client of the status socket asked for: the status, or the metrics."""
        if ask.ask == "metrics":
            return messages.Answer(metrics=await self.metrics())
        return messages.Answer(status=await self.now())

    async def metrics(self) -> str:
        """Return the router's figures as OpenMetrics text, for Prometheus."""
        return metrics.text(await self.now(), self._figures)

    async def now(self) -> messages.Status:
        """Return the status now: routes, workers and their memory, waiting messages, versions."""
        workers = self._all_workers()
        pids = [worker.pid for _name, worker in workers if worker.pid]
        used = await anyio.to_thread.run_sync(usage, pids)
        versions = await anyio.to_thread.run_sync(self._versions)
        updated = await anyio.to_thread.run_sync(_updated)
        config = self._watcher.snapshot
        names = self._names(config, [name for name, _worker in workers])
        profiles = [
            await self._profile(name, config, _with_usage(name, workers, used)) for name in names
        ]
        holds = await anyio.to_thread.run_sync(self._holds, names)
        return messages.Status(
            pid=os.getpid(),
            home=str(self._home),
            uptime=round(time.monotonic() - self._begun, 1),
            versions={
                **versions,
                "python": platform.python_version(),
                "protocol": str(PROTOCOL_VERSION),
            },
            configuration=self._configuration(config),
            profiles=profiles,
            closed=[*holds, *self._closed(config, profiles)],
            updated=updated,
            outcomes=self._outcomes(),
        )

    def _names(self, config: RouterConfig | None, working: list[str]) -> list[str]:
        routed = [] if config is None else config.worker_profiles()
        return list(dict.fromkeys([*routed, *working]))

    def _all_workers(self) -> list[tuple[str, messages.Worker]]:
        found = [(turn.conversation.profile.name, _worker(turn)) for turn in self._dispatcher.turns]
        found += [
            (name, messages.Worker(pid=pid, role=role, age=round(age, 1)))
            for name, role, pid, age in self._workers.idle()
        ]
        return sorted(found, key=lambda pair: (pair[1].role, pair[1].pid))

    async def _profile(
        self, name: str, config: RouterConfig | None, workers: list[messages.Worker]
    ) -> messages.Profile:
        problem, start_problem = await self._usable.problems(name)
        routes = 0
        if config is not None:
            routes = sum(r.enabled and r.profile == name for r in config.table.routes)
        settings = Settings() if config is None else config.settings(name)
        waiting = list(self._waiting(name))
        return messages.Profile(
            name=name,
            routes=routes,
            usable=not problem,
            problem=problem,
            start_problem=start_problem,
            concurrent_turns=settings.limits.concurrent_turns,
            workers=workers,
            waiting=[message.seconds for message in waiting],
            waiting_places=waiting,
            unexpected_ends=self._workers.unexpected_ends.of(name),
            refused_calls=refused_calls[name],
            today=self._figures.today(name),
            last_failure=self._figures.failures.get(name),
        )

    def _waiting(self, profile: str) -> Iterator[messages.WaitingMessage]:
        now = time.monotonic()
        for message in self._dispatcher.waiting(profile)[:_MOST_WAITING]:
            seconds = round(now - message.received, 1)
            yield messages.WaitingMessage(place=message.where, seconds=seconds)

    def _configuration(self, config: RouterConfig | None) -> messages.Configuration:
        error = "" if self._watcher.error is None else str(self._watcher.error)
        if config is None:
            return messages.Configuration(file=str(self._home / "config.yaml"), error=error)
        return messages.Configuration(
            file=str(config.path),
            routes=len(config.table),
            unmatched=config.unmatched.default,
            unmatched_platforms=dict(config.unmatched.platforms),
            warm_profiles=config.warm_budget.profiles,
            warm_memory_bytes=config.warm_budget.memory_bytes,
            error=error,
            problems=[str(p) for p in config.problems if p.code not in _TOLD_ANEW],
        )

    def _closed(
        self, config: RouterConfig | None, profiles: list[messages.Profile]
    ) -> Iterator[str]:
        if config is None:
            yield "every routed place: the routes could not be read since the start"
        if short := self._usable.short_of_memory():
            yield f"every routed place: {short}"
        for profile in profiles:
            if not profile.usable:
                yield f"places of {profile.name}: the profile {profile.problem}"
            elif profile.start_problem:
                yield (
                    f"places of {profile.name}: its workers cannot be started: "
                    f"{profile.start_problem}"
                )
        if config is not None:
            yield from _unanswered(config.unmatched)

    def _outcomes(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for (_profile, outcome), number in self._figures.outcomes.items():
            counts[outcome] = counts.get(outcome, 0) + number
        return counts


def _unanswered(unmatched: Unmatched) -> Iterator[str]:
    """Yield a line about places without a route that nobody answers, for all platforms or some."""
    if unmatched.default == "deny":
        others = [name for name, policy in unmatched.platforms.items() if policy != "deny"]
        but = f", except on {', '.join(others)}" if others else ""
        yield f"places without a route{but}: unmatched is deny"
        return
    for name, policy in unmatched.platforms.items():
        if policy == "deny":
            yield f"places of {name} without a route: unmatched is deny for {name}"


def _worker(turn: Turn) -> messages.Worker:
    report, phases = turn.story.report, turn.story.phases(turn.phases)
    role = "busy"
    if report.session.partition(":")[0] in {"cron", "upkeep", "menu"}:
        role = "job"
    elif turn.resident:
        role = "resident"
    elif turn.answered.is_set():
        role = "leaving"
    reached = {name: at for name, at in phases.items() if "." not in name and name != "queue"}
    last = max(reached, key=lambda name: reached[name], default="queue")
    answers_again = report.number > 1 and role == "busy"
    return messages.Worker(
        pid=turn.pid or 0,
        role=role,
        turn=turn.id,
        place=report.place or report.session,
        phase="sending" if turn.sends_reply else last,
        waits_for_person=turn.waits_for_person,
        age=round(turn.story.seconds if answers_again else turn.age, 1),
    )


def _with_usage(
    name: str, workers: list[tuple[str, messages.Worker]], used: Mapping[int, Usage]
) -> list[messages.Worker]:
    mine = [worker for of, worker in workers if of == name]
    for worker in mine:
        if worker.pid in used:
            worker.memory, worker.cpu = used[worker.pid].memory, round(used[worker.pid].cpu, 2)
    return mine


def _updated() -> list[str]:
    code = own_code.in_use()
    return [] if code is None else code.on_disk()
