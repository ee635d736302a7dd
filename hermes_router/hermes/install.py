"""The swap: routed messages go to the dispatcher, everything else Hermes's own way, untouched.

Two methods of ``GatewayRunner`` are wrapped at class level: the one that handles a message, and the
one that handles a message while its session is busy. Three more tell when the gateway starts and
stops. Hermes's own stamping of routes is switched off: one router for each message. A message that
already carries a profile then comes from that profile's own bot, or from a URL that names it, and
is none of ours.

It may be installed at any time, also when a gateway runs already: what that gateway's adapters hold
is then exchanged. Where it cannot be installed, routing is closed: see
:mod:`hermes_router.hermes.guard`.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from hermes_router.errors import ConfigError
from hermes_router.hermes.compat import seams
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.features.in_process import hold_back_routed_profiles
from hermes_router.hermes.refusal import CLOSED, NO_CONFIGURATION, decide, passed, refuse
from hermes_router.hermes.router import GatewayRouter
from hermes_router.tasks import BackgroundTasks

logger = logging.getLogger(__name__)

_lock = threading.RLock()
_routers: WeakKeyDictionary[Any, GatewayRouter] = WeakKeyDictionary()
_tasks = BackgroundTasks("hermes-router: could not start in a gateway that runs already")
_MARK = "_hermes_router_swapped"
_closed: list[str] = []


def install(module: ModuleType) -> None:
    """Swap the dispatcher of ``gateway.run``; a second call does nothing.

    Where that fails, routing is closed, and the log says why.
    """
    with _lock:
        runner = getattr(module, "GatewayRunner", None)
        if _closed or (runner is not None and _MARK in vars(runner)):
            return
        try:
            absent = seams.missing(module)
            if absent:
                _close(f"this Hermes lacks {', '.join(absent)}")
                return
            _swap()
        except Exception as error:
            _close(f"the swap failed: {error!r}")
            raise
        setattr(runner, _MARK, True)
        seams.catch_up(module, _catch_up)


def swapped(runner: Any) -> bool:
    """Say whether the dispatcher of this gateway is swapped."""
    return any(_MARK in vars(cls) for cls in type(runner).__mro__)


def closed() -> str | None:
    """Return why routing cannot work in this process, or None."""
    return _closed[0] if _closed else None


def _close(why: str) -> None:
    _closed.append(why)
    logger.error(
        "hermes-router: routing is CLOSED: %s. Routed places are told so, and nobody answers them. "
        "Install a Hermes version that hermes-router supports.",
        why,
    )


def _swap() -> None:
    patching.apply(patches.HANDLE, _handle_message)
    patching.apply(patches.HANDLE_BUSY, _handle_busy)
    patching.apply(patches.START, _start)
    patching.apply(patches.STOP, _stop)
    patching.apply(patches.WAIT, _wait_for_shutdown)
    patching.apply(patches.NOTIFY, _notify)
    patching.apply(patches.SESSION_STORE, _set_session_store)
    patching.apply(patches.ROUTE_OF_SOURCE, _stamp_nothing)
    hold_back_routed_profiles()


def router_of(runner: Any) -> GatewayRouter:
    """Return the router of a gateway, made when it is first asked for."""
    with _lock:
        router = _routers.get(runner)
        if router is None:
            router = _routers[runner] = GatewayRouter(runner)
        return router


def _catch_up(runner: Any) -> None:
    """Take over a gateway that runs already; called on its event loop."""
    logger.warning("hermes-router: the swap came after the gateway's start; taking over")
    seams.rewire_adapters(runner)
    _tasks.start(router_of(runner).start())


async def _handle_message(original: Any, runner: Any, event: Any, *args: Any, **kwargs: Any) -> Any:
    call = _Original(functools.partial(original, runner, event, *args, **kwargs))
    return await call.unless_taken(runner, event, lambda router: router.handle(event, call))


async def _handle_busy(original: Any, runner: Any, event: Any, *args: Any, **kwargs: Any) -> Any:
    call = _Original(functools.partial(original, runner, event, *args, **kwargs))
    return await call.unless_taken(
        runner, event, lambda router: router.handle_busy(event, call), taken=True
    )


class _Original:
    """Hermes's own handling of one message, which the router may call."""

    def __init__(self, original: Callable[[], Awaitable[Any]]) -> None:
        self._original = original
        self._called = False

    async def __call__(self) -> Any:
        self._called = True
        with passed():
            return await self._original()

    async def unless_taken(
        self,
        runner: Any,
        event: Any,
        handle: Callable[[GatewayRouter], Awaitable[Any]],
        *,
        taken: Any = None,
    ) -> Any:
        """Have the router handle a message; a fault of the router's closes routed places only."""
        try:
            return await handle(router_of(runner))
        except Exception as error:
            if self._called:  # Hermes's own fault, for Hermes to handle
                raise
            logger.exception("hermes-router: a message could not be handled")
            if await _told(runner, event, error):
                return taken
        return await self()


async def _told(runner: Any, event: Any, error: Exception) -> bool:
    """Tell a routed place that its message failed; False if Hermes may handle the message."""
    try:
        if decide(event, runner) is None:
            return False
        await refuse(runner, event, CLOSED.format(why=type(error).__name__))
    except ConfigError:
        await refuse(runner, event, NO_CONFIGURATION)
    except Exception:
        logger.exception("hermes-router: nobody knows whose a message is; it is dropped")
    return True


async def _start(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        await router_of(runner).start()
    except Exception:  # each message tries anew, and is refused where that fails too
        logger.exception("hermes-router: could not start")
    return await original(runner, *args, **kwargs)


async def _stop(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """End background work first: when Hermes has stopped, nobody can be told any more."""
    if not getattr(runner, "_hermes_router_let_go", False):
        runner._hermes_router_let_go = True
        try:
            await router_of(runner).let_go()
        except Exception:  # a gateway must stop whatever happens
            logger.exception("hermes-router: background work could not be ended")
    return await original(runner, *args, **kwargs)


async def _notify(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """Let Hermes tell who has not been told in a language of their own."""
    try:
        told = await router_of(runner).notices.tell_turns()
    except Exception:
        logger.exception("hermes-router: routed places were not told in their language")
        told = set()
    with seams.hidden_turns(runner, told):
        return await original(runner, *args, **kwargs)


async def _wait_for_shutdown(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """End the workers after Hermes has drained its work, and before its process may end."""
    try:
        return await original(runner, *args, **kwargs)
    finally:
        try:
            await router_of(runner).stop()
        except Exception:  # a gateway must stop whatever happens
            logger.exception("hermes-router: the workers could not be ended")


def _set_session_store(original: Any, adapter: Any, session_store: Any) -> None:
    """Give an adapter a session store in which routed places are their profiles'."""
    runner = getattr(adapter, "gateway_runner", None)
    if runner is not None and session_store is not None:
        session_store = _store_for(runner, adapter, session_store)
    original(adapter, session_store)


def _store_for(runner: Any, adapter: Any, session_store: Any) -> Any:
    try:
        return router_of(runner).sessions_for_adapter(adapter, session_store)
    except Exception:
        logger.exception("hermes-router: an adapter keeps nothing of what it overhears")
        return None


def _stamp_nothing(_original: Any, _runner: Any, _source: Any, **_more: Any) -> None:
    """Leave the choice of the profile to the router."""
