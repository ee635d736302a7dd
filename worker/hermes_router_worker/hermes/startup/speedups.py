"""Give Hermes the same results in less time, for work that it repeats in one turn.

Nothing here changes a result: a copy of the configuration, a parsed YAML file, certificates that
were read before. Each function acts on modules that Hermes has imported so far, and skips modules
that this Hermes does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import gc
import importlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hermes_router.protocol.system.quick_yaml import read_yaml_quickly
from hermes_router_worker.hermes import replacements


def everything() -> None:
    """Apply the speed-ups that need no session, to modules that are imported now.

    It may be called again when more modules are imported.
    """
    read_yaml_quickly()
    copy_config_fast()
    share_certificates()


# -- garbage -------------------------------------------------------------------------------------


def pause_collector() -> None:
    """Stop the garbage collector while Hermes is imported: it would take a quarter of the time.

    Whoever calls this calls :func:`resume_collector` later.
    """
    gc.disable()


def resume_collector() -> None:
    """Start the garbage collector again; it ignores the objects that exist now, mostly code.

    A worker calls it before a turn asks the model, or a template when it is ready. A second call is
    harmless.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def little_to_collect() -> Iterator[None]:
    """While the block runs, let the collector look only at objects that the block makes.

    To close an agent runs the collector, which takes half a second otherwise.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


# -- the configuration -----------------------------------------------------------------------------


def copy_config_fast() -> None:
    """Have Hermes copy its configuration quickly: a turn makes some thirty copies.

    Python's ``deepcopy`` handles any object; a configuration is only mappings, lists and scalars.
    """
    if "hermes_cli.config" in sys.modules:
        replacements.COPY_CONFIG.replace(lambda _copy: _QuickCopy())


def compile_config() -> None:
    """Compile the current configuration into code that builds a copy of it quickly.

    A template calls it, and its forks use the code: Hermes copies the loaded configuration often.
    When the file changes, Hermes loads another one, which is copied without the compiled code.
    """
    config: Any = importlib.import_module("hermes_cli.config")
    copier = getattr(config, "copy", None)
    load = getattr(config, "load_config_readonly", None)
    if isinstance(copier, _QuickCopy) and load is not None:
        copier.compile(load())


class _QuickCopy:
    """Replaces Python's ``copy`` module in one other module; copies plain data quickly."""

    def __init__(self) -> None:
        self._known: Any = None
        self._pristine: Any = None
        self._build: Callable[[], Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def compile(self, value: Any) -> None:
        """Remember how to build ``value``."""
        self._build = builder(value)
        if self._build is not None:
            self._known, self._pristine = value, self._build()

    def deepcopy(self, value: Any, memo: Any = None) -> Any:
        """Return a copy that shares no changeable object with ``value``."""
        if memo is not None:
            return copy.deepcopy(value, memo)
        if value is self._known and self._build is not None and value == self._pristine:
            return self._build()
        return quick_copy(value)


def quick_copy(value: Any) -> Any:
    """Copy plain data; leave any value of another type to ``copy.deepcopy``."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {
            key: item if type(item) in _SCALARS else quick_copy(item) for key, item in value.items()
        }
    if kind is list:
        return [item if type(item) in _SCALARS else quick_copy(item) for item in value]
    return copy.deepcopy(value)


def builder(value: Any) -> Callable[[], Any] | None:
    """Return a function that builds an equal value from nothing; None if that is not possible.

    The value is written as a literal and compiled: to execute that is some ten times as fast as
    copying object by object.
    """
    if not _is_literal(value):
        return None
    code = compile(f"lambda: {value!r}", "<configuration>", "eval")
    build: Callable[[], Any] = eval(code, {"__builtins__": {}})  # noqa: S307 - checked above
    return build


def _is_literal(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is dict:
        return all(_is_literal(key) and _is_literal(item) for key, item in value.items())
    if kind is list:
        return all(map(_is_literal, value))
    return kind in _SCALARS


_SCALARS = frozenset({str, int, float, bool, type(None)})


# -- the end of an answer --------------------------------------------------------------------------


def end_streams_at_once() -> None:
    """Have Hermes deliver an answer as soon as it is finished; call this in the running loop.

    Hermes looks every 50 ms whether more of an answer is there, also if nobody sees it grow.
    """
    pauses = _Pauses(asyncio.get_running_loop())

    def waking(finish: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(finish)
        def finish_and_wake(*args: Any, **kwargs: Any) -> None:
            finish(*args, **kwargs)
            pauses.end()

        return finish_and_wake

    if replacements.PAUSE_STREAM.replace(lambda _asyncio: pauses, anew=True):
        replacements.FINISH_STREAM.replace(waking, anew=True)


class _Pauses:
    """Replaces Python's ``asyncio`` module in one other module; its short pauses can be ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def end(self) -> None:
        """End the pause that lasts, or the next one; may be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing pauses any more
            self._loop.call_soon_threadsafe(self._ended.set)

    async def sleep(self, delay: float) -> None:
        """Sleep for ``delay`` seconds; a pause between two looks may end earlier."""
        if delay > _LONGEST_PAUSE:
            await asyncio.sleep(delay)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._ended.wait()
        self._ended.clear()


#: In seconds. Hermes waits longer when the platform has asked it to.
_LONGEST_PAUSE = 0.1


# -- certificates ----------------------------------------------------------------------------------


def share_certificates() -> None:
    """Read the certificates once per process: all HTTP clients of a turn use the same context.

    To make a context with loaded certificates takes some 20 ms. Only contexts with the default
    verification are shared; a client that asks for another verification gets its own.
    """
    default: Any = importlib.import_module("httpx._transports.default")
    make = default.create_ssl_context
    if hasattr(make, "__wrapped__"):
        return
    cached = functools.lru_cache(maxsize=4)(make)

    @functools.wraps(make)
    def create(verify: Any = True, cert: Any = None, trust_env: Any = True) -> Any:  # noqa: FBT002
        if verify is True and cert is None:
            return cached(verify, cert, trust_env)
        return make(verify, cert, trust_env)

    default.create_ssl_context = create
    create()
