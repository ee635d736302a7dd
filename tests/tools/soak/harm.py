"""What goes wrong in a soak: a platform that refuses calls, and workers that are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.kit import Call, FakeTelegram, Gateway
from tests.tools.soak.plan import Plan

#: What the platform answers when it refuses; 429 asks for a second of patience.
_REFUSALS = (429, 500)

_ALWAYS = 10**9
_TICK = 0.1


def make_fail(telegram: FakeTelegram, plan: Plan) -> None:
    """Have one call in so many refused that sends or edits a message."""
    chance = random.Random(plan.seed + 1)
    share = 1 / plan.calls_per_failure / len(_REFUSALS)

    def unlucky(_call: Call) -> bool:
        return chance.random() < share

    for method in ("sendMessage", "editMessageText"):
        for code in _REFUSALS:
            telegram.fail_next(method, code, times=_ALWAYS, match=unlucky)


class Killer:
    """Kills a worker in its turn for each so many messages. Runs in a thread of its own."""

    def __init__(self, gateway: Gateway, plan: Plan, count: Callable[[], int]) -> None:
        self.killed = 0
        self._gateway = gateway
        self._plan = plan
        self._count = count
        self._chance = random.Random(plan.seed + 2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-killer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK):
            if self._count() >= (self.killed + 1) * self._plan.messages_per_kill:
                self._kill_one()

    def _kill_one(self) -> None:
        """Kill one of the workers that are in a turn now; if none is, the next look may find one.

        The gateway may be killed meanwhile.
        """
        with suppress(ProcessLookupError, RuntimeError):
            busy = [p for p in self._gateway.tree() if p.role == "busy"]
            if busy:
                os.kill(self._chance.choice(busy).pid, signal.SIGKILL)
                self.killed += 1
