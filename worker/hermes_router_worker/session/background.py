"""The work in a worker that outlives a turn: what it is, and how people hear of its end.

Hermes reports a background process by a task that checks it every few seconds. It reports a match
of a watch pattern at the end of the next turn; a gateway has many sessions, so that turn comes
soon. A worker has one session and may be idle for hours. So here a match is reported at once.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import follow
from hermes_router_worker.hermes.session import background, queues
from hermes_router_worker.hermes.session.secrets import without_secrets

logger = logging.getLogger(__name__)

#: How many characters of a command or of a task people are shown.
_SHOWN = 60


class Background:
    """Knows what goes on in this worker beside its turns, and names it for people.

    It patches methods of the runner when it is made, before the first event. So it sees watched
    processes, ``/background`` prompts, and the delivery of reports and results. In a Hermes that
    lacks one of these methods, that part is not followed.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._watched: list[str] = []
        self._prompts: list[str] = []
        self._reports: list[str] = []
        self._deliveries: list[str] = []
        follow(replacements.WATCH_PROCESS, runner, self._watching)
        follow(replacements.RUN_BACKGROUND_TASK, runner, self._prompted)
        follow(replacements.INJECT_NOTIFICATION, runner, self._reporting)
        follow(replacements.DELIVER_DELEGATIONS, runner, self._delivering)

    def watching(self) -> bool:
        """Return True if a process's end or a delegated task's result must still be reported.

        The worker stays until then.
        """
        return bool(self._watched or self._deliveries)

    def works(self, *, busy: bool) -> list[str]:
        """Return what would be lost if this process ended now, each in words for people.

        ``busy`` says whether a turn runs in the process. Reports that began a turn are named only
        while one runs.
        """
        if not busy:
            self._reports.clear()  # the turns that they began have ended
        return [
            *map(_process, self._processes()),
            *(f"background prompt {_quoted(prompt)}" for prompt in self._prompts),
            *map(_delegation, background.running_delegations()),
            *self._reports,
        ]

    async def pass_on(self) -> None:
        """Begin a turn for each match of a watch pattern that waits in Hermes to be reported.

        The session calls it again and again, only while no turn runs.
        """
        if not background.results_wait():
            return
        for text, event in background.watch_reports():
            await queues.report(self._runner, text, event)

    def _processes(self) -> list[str]:
        return list(dict.fromkeys([*background.running_processes(), *self._watched]))

    async def _watching(self, original: Callable[..., Any], watcher: Any) -> Any:
        with _listed(self._watched, str(watcher["session_id"])):
            return await original(watcher)

    async def _delivering(self, original: Callable[..., Any], group: Any) -> Any:
        """Count a result that Hermes took from the queue, until a turn has begun with it."""
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


def _process(number: str) -> str:
    return f"background process {_command(background.command_of(number))} ({number})"


def _delegation(record: Any) -> str:
    return f"delegated task {_quoted(str(record.get('goal') or record.get('delegation_id')))}"


def _command(command: str) -> str:
    """Return a command for people, without what Hermes knows as secrets."""
    return f"`{_short(without_secrets(command))}`"


def _quoted(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
