"""Stop routed messages that reach Hermes's own handler, the last moment before Hermes answers.

Hermes asks its ``pre_gateway_dispatch`` hooks about each message that it handles itself. With the
swap in place, no routed message gets there. If the swap is late, the guard installs it and gives
the message to the router. If routing cannot work, the guard tells the place so.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any

from hermes_router.base.errors import ConfigError
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.hermes import install
from hermes_router.hermes.compat.seams import gateway_runner
from hermes_router.hermes.refusal import (
    closed_refusal,
    decide,
    has_passed,
    no_configuration,
    refuse,
)

logger = logging.getLogger(__name__)

Answer = dict[str, str] | None

_SKIP = {"action": "skip", "reason": "hermes-router"}
_tasks = BackgroundTasks("hermes-router: a message that the guard took could not be answered")


def guard(event: Any, runner: Any) -> Answer:
    """Tell Hermes whether it may handle a message: None for yes, else an answer to drop it.

    Hermes calls this as its ``pre_gateway_dispatch`` hook. If the message is dropped, the guard
    gives it to the router, or sends its place a notice, and does not wait for that. If the guard
    itself fails, the message is dropped, and the error logged.
    """
    if event is None or runner is None or has_passed():
        return None
    try:
        work = _taken(event, runner)
        if work is None:
            return None
        _start(work, runner)
    except Exception:
        logger.exception("hermes-router: a message is dropped: its profile is not known")
    return dict(_SKIP)


def _start(work: Coroutine[Any, Any, Any], runner: Any) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # Hermes asks its hooks in another thread
        loop = gateway_runner.loop_of(runner)
        if loop is None:
            work.close()
            raise
        loop.call_soon_threadsafe(_tasks.start, work)
    else:
        _tasks.start(work)


def _taken(event: Any, runner: Any) -> Coroutine[Any, Any, Any] | None:
    """Return a coroutine that serves or refuses a routed message; None if Hermes may have it."""
    why = _closed(runner)
    try:
        decision = decide(event, runner)
    except ConfigError:
        return refuse(runner, event, no_configuration())
    if decision is None:
        return None
    if why is not None:
        return refuse(runner, event, closed_refusal(why), profile=decision.profile or "")
    router = install.router_of(runner)
    if router.is_the_gateways(event):
        return None
    logger.warning(
        "hermes-router: a routed message reached Hermes's own handler; the guard "
        "gave it to the router"
    )
    late = closed_refusal("it was loaded late")
    return router.handle(event, lambda: refuse(runner, event, late, book=router.book))


def _closed(runner: Any) -> str | None:
    """Return why routing does not work, or None; first try to install a missing swap."""
    if not install.swapped(runner):
        try:
            install.install(sys.modules[type(runner).__module__])
        except Exception:
            logger.exception("hermes-router: the dispatcher could not be swapped")
    if install.swapped(runner):
        return None
    return install.closed() or "its dispatcher cannot be swapped"
