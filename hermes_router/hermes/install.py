"""The swap: routed messages go to the dispatcher; Hermes handles all others as before.

It wraps two methods of ``GatewayRunner`` at class level: the one that handles a message, and the
one that handles a message while its session is busy. Three more methods are wrapped to learn when
the gateway starts and stops. Hermes's own routes are taken from it, so that each message has one
router. A message that already carries a profile came by that profile's own bot, or by a URL that
names the profile. The router leaves such a message to Hermes.

The swap may be installed at any time. In a gateway that runs already, it also exchanges the
handlers that the adapters hold. If it cannot be installed, routing is closed: the guard tells each
routed place so (see :mod:`hermes_router.hermes.guard`), and the status socket says why.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from hermes_router.base.errors import ConfigError
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.compat.seams import gateway_runner, required
from hermes_router.hermes.features.in_process import hold_back_routed_profiles
from hermes_router.hermes.refusal import (
    closed_refusal,
    decide,
    no_configuration,
    passed,
    refuse,
)
from hermes_router.hermes.router import GatewayRouter
from hermes_router.observe.closed import ClosedRouting
from hermes_router.protocol.system.versions import NEWEST_TESTED, hermes_version, untested

logger = logging.getLogger(__name__)

_lock = threading.RLock()
_routers: WeakKeyDictionary[Any, GatewayRouter] = WeakKeyDictionary()
_tasks = BackgroundTasks("hermes-router: the router could not start in the running gateway")
_MARK = "_hermes_router_swapped"
_closed: list[str] = []
_shown: list[ClosedRouting] = []


def install(module: ModuleType) -> None:
    """Install the swap in ``module``, which is ``gateway.run``; a second call does nothing.

    The plugin calls this when Hermes imports that module, and so does the guard if it finds no
    swap. If this Hermes lacks an integration point, routing is closed and the log says why.

    Raises:
        Exception: the swap failed; routing is closed then, too.
    """
    with _lock:
        runner = getattr(module, "GatewayRunner", None)
        if _closed or (runner is not None and _MARK in vars(runner)):
            return
        try:
            absent = required.missing(module)
            if absent:
                _close(module, f"this Hermes lacks {', '.join(absent)}")
                return
            _swap()
        except Exception as error:
            _close(module, f"the swap failed: {error!r}")
            raise
        setattr(runner, _MARK, True)
        _say_if_untested()
        gateway_runner.catch_up(module, _catch_up)


def _say_if_untested() -> None:
    if untested(hermes_version()):
        logger.warning(
            "hermes-router: Hermes %s is newer than any that this hermes-router was tested on (the "
            "newest is %s). It has all that the router needs: routing is on.",
            hermes_version(),
            NEWEST_TESTED,
        )


def swapped(runner: Any) -> bool:
    """Return True if the swap is installed in the class of this runner.

    The swap is the router's replacement of Hermes's message handlers.
    """
    return any(_MARK in vars(cls) for cls in type(runner).__mro__)


def closed() -> str | None:
    """Return why routing is closed in this process, as words for the log and for notices.

    Returns None if it is not closed. A restart of the gateway is needed to open it again.
    """
    return _closed[0] if _closed else None


def _close(module: ModuleType, why: str) -> None:
    _closed.append(why)
    logger.error(
        "hermes-router: routing is CLOSED: %s. Routed places get a notice, and nobody answers "
        "them. Install a Hermes version that hermes-router supports.",
        why,
    )
    try:
        patching.apply(patches.HANDLE, _handle_message)
        patching.apply(patches.HANDLE_BUSY, _handle_busy)
        patching.apply(patches.START, _start)
        patching.apply(patches.WAIT, _wait_for_shutdown)
        gateway_runner.catch_up(module, _show_closed_late)
    except Exception:  # boundary: this Hermes is not one that we know
        logger.exception("hermes-router: hermes-router status will not work")


def _show_closed_late(runner: Any) -> None:
    """Do for a gateway that runs already what its start would have done."""
    gateway_runner.rewire_adapters(runner)
    _tasks.start(_show_closed(_closed[0]))


async def _show_closed(why: str) -> None:
    """Say on the status socket that routing is closed; this never raises."""
    try:
        shown = ClosedRouting(gateway_runner.hermes_home(), why)
        await shown.start()
        _shown.append(shown)
    except Exception:  # boundary: this Hermes may be one that we do not know
        logger.exception("hermes-router: hermes-router status will not work")


def _swap() -> None:
    patching.apply(patches.HANDLE, _handle_message)
    patching.apply(patches.HANDLE_BUSY, _handle_busy)
    patching.apply(patches.START, _start)
    patching.apply(patches.STOP, _stop)
    patching.apply(patches.WAIT, _wait_for_shutdown)
    patching.apply(patches.NOTIFY, _notify)
    patching.apply(patches.SESSION_STORE, _set_session_store)
    hold_back_routed_profiles()


def router_of(runner: Any) -> GatewayRouter:
    """Return the router of a gateway's runner; the first call makes it, but does not start it."""
    with _lock:
        router = _routers.get(runner)
        if router is None:
            router = _routers[runner] = GatewayRouter(runner)
        return router


def _catch_up(runner: Any) -> None:
    """Take over a gateway that runs already; called on its event loop."""
    logger.warning(
        "hermes-router: the plugin was loaded after the gateway's start; the router takes over now"
    )
    gateway_runner.drop_own_routes(runner)
    gateway_runner.rewire_adapters(runner)
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
        """Have the router handle a message; return ``taken`` if an error was reported to its place.

        If the router fails, or routing is closed, a routed place gets a notice, and Hermes handles
        any other message. The guard does not see each message: Hermes asks it neither about its own
        events, nor about messages while their session is busy.

        Raises:
            Exception: Hermes's own handling failed, after the router had called it.
        """
        if (why := closed()) is not None:
            return taken if await _told(runner, event, why) else await self()
        try:
            return await handle(router_of(runner))
        except Exception as error:
            if self._called:  # the error is Hermes's own, for Hermes to handle
                raise
            logger.exception("hermes-router: a message could not be handled")
            if await _told(runner, event, type(error).__name__):
                return taken
        return await self()


async def _told(runner: Any, event: Any, why: str) -> bool:
    """Tell a routed place why nobody answers; return False if the place is not routed."""
    router = _routers.get(runner)
    book = None if router is None else router.book
    try:
        if (decision := decide(event, runner)) is None:
            return False
        refusal = closed_refusal(why)
        await refuse(runner, event, refusal, profile=decision.profile or "", book=book)
    except ConfigError:
        await refuse(runner, event, no_configuration(), book=book)
    except Exception:
        logger.exception("hermes-router: a message is dropped: its profile is not known")
    return True


async def _start(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    if (why := closed()) is not None:
        await _show_closed(why)
        return await original(runner, *args, **kwargs)
    gateway_runner.drop_own_routes(runner)
    try:
        router = router_of(runner)
    except Exception as error:  # each message tries again, and its place gets a notice
        logger.exception("hermes-router: could not start")
        await _show_closed(f"the router could not start: {error!r}")
        return await original(runner, *args, **kwargs)
    try:
        await router.start()
    except Exception:  # what has started by then goes on
        logger.exception("hermes-router: could not start")
    return await original(runner, *args, **kwargs)


async def _stop(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """End background work first: after Hermes's stop, no notice can be sent."""
    if not (_closed or getattr(runner, "_hermes_router_let_go", False)):
        runner._hermes_router_let_go = True
        try:
            await router_of(runner).let_go()
        except Exception:  # nothing may keep a gateway from stopping
            logger.exception("hermes-router: background work could not be ended")
    return await original(runner, *args, **kwargs)


async def _notify(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """Tell routed places in their profile's language, and let Hermes tell all others."""
    if _closed:
        return await original(runner, *args, **kwargs)
    try:
        told = await router_of(runner).notices.tell_turns()
    except Exception:
        logger.exception("hermes-router: routed places got no stop notice in their language")
        told = set()
    with gateway_runner.hidden_turns(runner, told):
        return await original(runner, *args, **kwargs)


async def _wait_for_shutdown(original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    """End the workers after Hermes has drained its work, and before its process may end."""
    try:
        return await original(runner, *args, **kwargs)
    finally:
        try:
            for shown in _shown:
                await shown.stop()
            if (router := _routers.get(runner)) is not None:
                await router.stop()
        except Exception:  # nothing may keep a gateway from stopping
            logger.exception("hermes-router: the workers could not be ended")


def _set_session_store(original: Any, adapter: Any, session_store: Any) -> None:
    """Give an adapter a session store that leaves routed places to their profiles."""
    runner = getattr(adapter, "gateway_runner", None)
    if runner is not None and session_store is not None:
        session_store = _store_for(runner, adapter, session_store)
    original(adapter, session_store)


def _store_for(runner: Any, adapter: Any, session_store: Any) -> Any:
    try:
        return router_of(runner).sessions_for_adapter(adapter, session_store)
    except Exception:
        logger.exception("hermes-router: an adapter cannot keep observed messages")
        return None
