"""The work that a worker still has after the reply: work of a turn that outlives the turn.

There are three kinds, because they decide three different things:

- *busy*: a message is being handled; the next message must wait.
- *resident*: work of the session lives in this process (a background process, a delegated task, a
  ``/background`` prompt), or a person may still click on what a command showed (a confirmation, a
  picker). The session's next turn must come here.
- *finishing*: post-turn work that no later turn needs here (title, memory review, a memory
  provider's writes). The process waits for it; the next message does not.
"""

from __future__ import annotations

import threading
from typing import Any

from hermes_router_worker.hermes.session import background, questions, queues, wiring
from hermes_router_worker.session.background import Background
from hermes_router_worker.session.runs import Runs

_MEMORY = "the update of the memory provider"

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
    """Says what a worker still has to do, by a look at its runner, adapter and threads.

    The session asks it some times a second, to decide whether to report to be idle, to stay, or to
    end. It keeps no state of its own.
    """

    def __init__(self, runner: Any, adapter: Any, runs: Runs, works: Background) -> None:
        self._runner = runner
        self._adapter = adapter
        self._runs = runs
        self._background = works

    def busy(self) -> bool:
        """Return True while Hermes handles a message, or has one wait."""
        return queues.any_message(self._runner, self._adapter) or self._runs.any()

    def resident(self) -> bool:
        """Return True if this worker must stay, because the session's next turn needs it.

        Background work lives in it, or a person may still click on what a command showed.
        """
        return bool(
            background.processes_running()
            or self._background.watching()
            or background.results_wait()
            or background.delegations_running()
            or queues.any_task(self._runner, wiring.watchers())
            or self._adapter.prompts.picker_open()
            or questions.confirm_pending()
        )

    def finishing(self) -> bool:
        """Return True while post-turn work runs, so that the process must not end yet."""
        return bool(self.unfinished())

    def unfinished(self) -> list[str]:
        """Return the names of the post-turn work that still runs, in words for people."""
        names = [thread.name for thread in threading.enumerate()]
        found = [
            work
            for start, work in _FINISHING_THREADS.items()
            if any(name.startswith(start) for name in names)
        ]
        if queues.delivering(self._adapter):
            found.append("a message that is being delivered")
        return list(dict.fromkeys(found))

    def works(self) -> list[str]:
        """Return what would be lost if this process ended now, in words for people.

        Post-turn work does not count. The gateway tells the chat these names if the worker dies.
        """
        return self._background.works(busy=self.busy())
