"""The swap: routed messages go to the dispatcher, everything else Hermes's own way, untouched.

Two methods of ``GatewayRunner`` are wrapped at class level: the one that handles a message, and the
one that handles a message while its session is busy. Three more tell when the gateway starts and
stops. Where this Hermes can stamp routes of its own on a message, that is switched off: one router
per message. A message that already carries a profile then comes from that profile's own bot, or
from a URL that names it, and is none of ours.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from hermes_router.hermes.compat import seams
from hermes_router.hermes.router import GatewayRouter

logger = logging.getLogger(__name__)

_routers: WeakKeyDictionary[Any, GatewayRouter] = WeakKeyDictionary()
_MARK = "_hermes_router_swapped"


def install(module: ModuleType) -> None:
    """Swap the dispatcher of ``gateway.run``; a second call does nothing."""
    absent = seams.missing(module)
    if absent:
        logger.error(
            "hermes-router: this Hermes lacks %s; routing is OFF, every message is answered by the "
            "gateway's own profile. Install a Hermes version that hermes-router supports.",
            ", ".join(absent),
        )
        return
    runner = module.GatewayRunner
    if getattr(runner, _MARK, False):
        return
    setattr(runner, _MARK, True)
    _wrap(runner, "_handle_message", _handle_message)
    _wrap(runner, "_handle_active_session_busy_message", _handle_busy)
    _wrap(runner, "start", _start)
    _wrap(runner, "stop", _stop)
    _wrap(runner, "wait_for_shutdown", _wait_for_shutdown)
    _share_sessions()
    if hasattr(runner, "_profile_name_for_source"):
        runner._profile_name_for_source = _stamp_nothing


def router_of(runner: Any) -> GatewayRouter:
    """Return the router of a gateway, made when it is first asked for."""
    router = _routers.get(runner)
    if router is None:
        router = _routers[runner] = GatewayRouter(runner)
    return router


def _wrap(cls: Any, name: str, around: Callable[..., Awaitable[Any]]) -> None:
    original = getattr(cls, name)

    @functools.wraps(original)
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await around(self, functools.partial(original, self, *args, **kwargs), *args)

    setattr(cls, name, wrapper)


async def _handle_message(runner: Any, original: Callable[[], Any], event: Any, *_: Any) -> Any:
    return await router_of(runner).handle(event, original)


async def _handle_busy(runner: Any, original: Callable[[], Any], event: Any, *_: Any) -> Any:
    return await router_of(runner).handle_busy(event, original)


async def _start(runner: Any, original: Callable[[], Any], *_: Any) -> Any:
    await router_of(runner).start()
    return await original()


async def _stop(runner: Any, original: Callable[[], Any], *_: Any) -> Any:
    """End background work first: when Hermes has stopped, nobody can be told any more."""
    if not getattr(runner, "_hermes_router_let_go", False):
        runner._hermes_router_let_go = True
        try:
            await router_of(runner).let_go()
        except Exception:  # a gateway must stop whatever happens
            logger.exception("hermes-router: background work could not be ended")
    return await original()


async def _wait_for_shutdown(runner: Any, original: Callable[[], Any], *_: Any) -> Any:
    """End the workers after Hermes has drained its work, and before its process may end."""
    try:
        return await original()
    finally:
        await router_of(runner).stop()


def _share_sessions() -> None:
    """Give adapters a session store in which routed places are their profiles'."""
    adapter = importlib.import_module("gateway.platforms.base").BasePlatformAdapter
    original = getattr(adapter, "set_session_store", None)
    if original is None:  # an older Hermes: adapters write no sessions
        return

    @functools.wraps(original)
    def set_session_store(self: Any, session_store: Any) -> None:
        runner = getattr(self, "gateway_runner", None)
        if runner is not None and session_store is not None:
            session_store = router_of(runner).sessions_for_adapter(self, session_store)
        original(self, session_store)

    adapter.set_session_store = set_session_store


def _stamp_nothing(_runner: Any, _source: Any) -> None:
    """Leave the choice of the profile to the router."""
