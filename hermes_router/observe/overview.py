"""What a gateway's router does now, put together for who asks."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import anyio.to_thread

from hermes_router.config.model import RouterConfig
from hermes_router.config.settings import Settings
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.errors import ProfileError
from hermes_router.observe import metrics
from hermes_router.observe.figures import Figures
from hermes_router.observe.processes import Usage, usage
from hermes_router.observe.status import messages as status
from hermes_router.profiles import model
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.turn import Turn
from hermes_router.workers.pool import WorkerPool

_MOST_WAITING = 1000


class Overview:
    """Answers what is asked on the status socket. ``versions`` are the router's and Hermes's."""

    def __init__(
        self,
        home: Path,
        watcher: ConfigWatcher,
        dispatcher: Dispatcher,
        workers: WorkerPool,
        figures: Figures,
        versions: Callable[[], Mapping[str, str]],
    ) -> None:
        self._home = home
        self._watcher = watcher
        self._dispatcher = dispatcher
        self._workers = workers
        self._figures = figures
        self._versions = versions
        self._begun = time.monotonic()

    async def answer(self, ask: status.Ask) -> status.Answer:
        """Return what a client asked for."""
        now = await self.now()
        if ask.ask == "metrics":
            return status.Answer(metrics=metrics.text(now, self._figures))
        return status.Answer(status=now)

    async def now(self) -> status.Status:
        """Return the whole state."""
        workers = self._all_workers()
        pids = [worker.pid for _name, worker in workers if worker.pid]
        used = await anyio.to_thread.run_sync(usage, pids)
        versions = await anyio.to_thread.run_sync(self._versions)
        config = self._watcher.snapshot
        profiles = [
            self._profile(name, config, _with_usage(name, workers, used))
            for name in self._names(config, [name for name, _worker in workers])
        ]
        return status.Status(
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
            closed=list(self._closed(config, profiles)),
            outcomes=self._outcomes(),
        )

    def _names(self, config: RouterConfig | None, working: list[str]) -> list[str]:
        routed = [] if config is None else config.worker_profiles()
        return list(dict.fromkeys([*routed, *working]))

    def _all_workers(self) -> list[tuple[str, status.Worker]]:
        found = [(turn.conversation.profile.name, _worker(turn)) for turn in self._dispatcher.turns]
        found += [
            (name, status.Worker(pid=pid, role=role, age=round(age, 1)))
            for name, role, pid, age in self._workers.idle()
        ]
        return sorted(found, key=lambda pair: (pair[1].role, pair[1].pid))

    def _profile(
        self, name: str, config: RouterConfig | None, workers: list[status.Worker]
    ) -> status.Profile:
        problem = self._problem(name)
        routes = 0
        if config is not None:
            routes = sum(r.enabled and r.profile == name for r in config.table.routes)
        settings = Settings() if config is None else config.settings(name)
        waiting = self._dispatcher.waiting(name)[:_MOST_WAITING]
        return status.Profile(
            name=name,
            routes=routes,
            usable=not problem,
            problem=problem,
            concurrent_turns=settings.limits.concurrent_turns,
            workers=workers,
            waiting=[round(time.monotonic() - since, 1) for since in waiting],
            today=self._figures.today(name),
            last_failure=self._figures.failures.get(name),
        )

    def _problem(self, name: str) -> str:
        try:
            model.find(name, model.hermes_root(self._home))
        except ProfileError as error:
            return error.message
        return ""

    def _configuration(self, config: RouterConfig | None) -> status.Configuration:
        error = "" if self._watcher.error is None else str(self._watcher.error)
        if config is None:
            return status.Configuration(file=str(self._home / "config.yaml"), error=error)
        return status.Configuration(
            file=str(config.path),
            routes=len(config.table),
            unmatched=config.unmatched.default,
            warm_profiles=config.warm_budget.profiles,
            warm_memory_bytes=config.warm_budget.memory_bytes,
            error=error,
            problems=[str(problem) for problem in config.problems],
        )

    def _closed(self, config: RouterConfig | None, profiles: list[status.Profile]) -> Iterator[str]:
        if config is None:
            yield "every place: the routes could never be read"
        for profile in profiles:
            if not profile.usable:
                yield f"what is routed to {profile.name}: the profile {profile.problem}"
        if config is not None and config.unmatched.default == "deny":
            yield "places without a route: unmatched is deny"

    def _outcomes(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for (_profile, outcome), number in self._figures.outcomes.items():
            counts[outcome] = counts.get(outcome, 0) + number
        return counts


def _worker(turn: Turn) -> status.Worker:
    report, phases = turn.story.report, turn.phases
    role = "busy"
    if report.session.partition(":")[0] in {"cron", "upkeep", "menu"}:
        role = "job"
    elif turn.resident:
        role = "resident"
    elif turn.answered.is_set():
        role = "leaving"
    reached = {name: at for name, at in phases.items() if "." not in name and name != "queue"}
    return status.Worker(
        pid=turn.pid or 0,
        role=role,
        turn=turn.id,
        place=report.place or report.session,
        phase=max(reached, key=lambda name: reached[name], default="queue"),
        age=round(turn.age, 1),
    )


def _with_usage(
    name: str, workers: list[tuple[str, status.Worker]], used: Mapping[int, Usage]
) -> list[status.Worker]:
    mine = [worker for of, worker in workers if of == name]
    for worker in mine:
        if worker.pid in used:
            worker.memory, worker.cpu = used[worker.pid].memory, round(used[worker.pid].cpu, 2)
    return mine
