"""What a worker still owes after the reply: work that a turn started and that outlives it.

Three kinds are told apart, because they decide three different things:

- *busy*: a message is being handled; the lane is not free;
- *resident*: work that belongs to the session lives in this process (a background process, a
  delegated task, a ``/background`` prompt), or a person may still click on what a command showed
  (a confirmation, a picker): the session's next turn must come here;
- *finishing*: post-turn work that nobody will ask for (title, memory review, a memory provider's
  writes): the process waits for it, the lane does not.
"""

from __future__ import annotations

import threading
from typing import Any

from hermes_router_worker.session import prompts
from hermes_router_worker.session.background import Background
from hermes_router_worker.session.runs import Runs
from hermes_router_worker.startup import session_wiring

_MEMORY = "what the memory provider writes"

#: Threads of Hermes that do post-turn work, by the beginning of their names.
_FINISHING_THREADS = {
    "auto-title": "the title of the conversation",
    "bg-review": "the review of memory and skills",
    "agent-evict-": _MEMORY,
    "agent-cache-": _MEMORY,
    "agent-xproc-evict-": _MEMORY,
    "brv-": _MEMORY,
    "hindsight-writer": _MEMORY,
    "honcho-": _MEMORY,
    "memory-": _MEMORY,
}


class Activity:
    """Looks at one worker's runner and adapter; keeps no state of its own."""

    def __init__(self, runner: Any, adapter: Any, runs: Runs, background: Background) -> None:
        from tools import async_delegation
        from tools.process_registry import process_registry

        self._runner = runner
        self._adapter = adapter
        self._runs = runs
        self._background = background
        self._processes = process_registry
        self._delegations = async_delegation

    def busy(self) -> bool:
        """Say whether a message is being handled, or waits to be."""
        adapter = self._adapter
        return bool(
            adapter._active_sessions
            or adapter._pending_messages
            or getattr(adapter, "_text_debounce", None)
            or any(getattr(self._runner, "_queued_events", {}).values())
            or self._runs.any()
        )

    def resident(self) -> bool:
        """Say whether work lives here that the session's next turn must be able to reach."""
        return bool(
            self._processes.has_any_active()
            or self._background.watching()
            or not self._processes.completion_queue.empty()
            or self._delegations.active_count()
            or any(not task.done() for task in self._tasks())
            or self._adapter.prompts.picker_open()
            or prompts.confirm_pending()
        )

    def finishing(self) -> bool:
        """Say whether post-turn work still runs."""
        return bool(self.unfinished())

    def unfinished(self) -> list[str]:
        """Name the post-turn work that still runs."""
        names = [thread.name for thread in threading.enumerate()]
        found = [
            work
            for start, work in _FINISHING_THREADS.items()
            if any(name.startswith(start) for name in names)
        ]
        if any(not task.done() for task in self._adapter._background_tasks):
            found.append("a message that is being delivered")
        return list(dict.fromkeys(found))

    def works(self) -> list[str]:
        """Name what would be lost with this process, apart from the turn and post-turn work."""
        return self._background.works(busy=self.busy())

    def _tasks(self) -> set[Any]:
        """Return the runner's tasks but those that never end: Hermes marks its own.

        What waits to send a refused answer again keeps no worker: the profile's
        maintenance and its next worker send what a worker that has ended still owes.
        """
        resending = getattr(self._runner, "_flood_redelivery_tasks", {}).values()
        return {
            task
            for task in set(self._runner._background_tasks) - session_wiring.watchers()
            if task not in resending and not getattr(task, "_hermes_supervised_watcher", False)
        }
