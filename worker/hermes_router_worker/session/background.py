"""The work in a worker that outlives a turn: who waits for it, and how people are told of it.

Hermes reports a background process by a task that looks at it every few seconds, and a match of a
watch pattern at the end of the next turn - of whatever session, in a gateway of many. A worker has
one session and may be idle for hours, so that here what is due is passed on at once.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.follow import follow

logger = logging.getLogger(__name__)

#: Letters of a command or of a task that people are shown.
_SHOWN = 60


class Background:
    """Follows one runner's watchers and ``/background`` prompts. Make it before the first event.

    A Hermes that lacks the optional ones has them unfollowed.
    """

    def __init__(self, runner: Any) -> None:
        from tools.process_registry import process_registry

        self._runner = runner
        self._registry = process_registry
        self._watched: list[str] = []
        self._prompts: list[str] = []
        self._reports: list[str] = []
        self._deliveries: list[str] = []
        follow(replacements.WATCH_PROCESS, runner, self._watching)
        follow(replacements.RUN_BACKGROUND_TASK, runner, self._prompted)
        follow(replacements.INJECT_NOTIFICATION, runner, self._reporting)
        follow(replacements.DELIVER_DELEGATIONS, runner, self._delivering)

    def watching(self) -> bool:
        """Say whether the end of a background process, or a result, is still to be reported."""
        return bool(self._watched or self._deliveries)

    def works(self, *, busy: bool) -> list[str]:
        """Name what would be lost with this process; ``busy``: a turn runs in it."""
        if not busy:
            self._reports.clear()  # the turns that they began have ended
        return [
            *map(self._process, self._processes()),
            *(f"background prompt {_quoted(prompt)}" for prompt in self._prompts),
            *map(_delegation, _delegations()),
            *self._reports,
        ]

    async def pass_on(self) -> None:
        """Begin a turn for each match of a watch pattern that waits. Only while none runs."""
        if self._registry.completion_queue.empty():
            return
        from gateway import run

        for event in run._drain_gateway_watch_events(self._registry.completion_queue):
            text = run._format_gateway_process_notification(event)
            if text:
                await self._runner._inject_watch_notification(text, event)

    def _processes(self) -> list[str]:
        running = [s.id for s in list(self._registry._running.values()) if not s.exited]
        return list(dict.fromkeys([*running, *self._watched]))

    def _process(self, number: str) -> str:
        session = self._registry.get(number)
        return f"background process {_command(getattr(session, 'command', ''))} ({number})"

    async def _watching(self, original: Callable[..., Any], watcher: Any) -> Any:
        with _listed(self._watched, str(watcher["session_id"])):
            return await original(watcher)

    async def _delivering(self, original: Callable[..., Any], group: Any) -> Any:
        """Hermes has taken a result from the queue, and no turn has begun with it yet."""
        with _listed(self._deliveries, "a delegated task"):
            return await original(group)

    async def _prompted(
        self, original: Callable[..., Any], prompt: str, *args: Any, **kwargs: Any
    ) -> Any:
        with _listed(self._prompts, prompt):
            return await original(prompt, *args, **kwargs)

    async def _reporting(
        self, original: Callable[..., Any], text: str, event: Any, **options: Any
    ) -> Any:
        accepted = await original(text, event, **options)
        if accepted:
            what = _command(event["command"]) if event.get("command") else "a delegated task"
            self._reports.append(f"the report about {what}")
        return accepted


@contextlib.contextmanager
def _listed(names: list[str], name: str) -> Iterator[None]:
    names.append(name)
    try:
        yield
    finally:
        names.remove(name)


def _delegations() -> list[Any]:
    """Return the records of the delegated tasks that run."""
    try:
        from tools import async_delegation as delegations
    except ImportError:  # before 0.17
        return []
    live = getattr(delegations, "_LIVE_STATES", {"running", "finalizing"})
    return [r for r in delegations.list_async_delegations() if r.get("status") in live]


def _delegation(record: Any) -> str:
    return f"delegated task {_quoted(str(record.get('goal') or record.get('delegation_id')))}"


def _command(command: str) -> str:
    """Show a command to people, without what Hermes knows as secrets."""
    from gateway import run

    redact = getattr(run, "_redact_gateway_user_facing_secrets", str)
    return f"`{_short(redact(command))}`"


def _quoted(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
