"""The same results in less time: what Hermes does over and over in one turn.

Nothing here changes what Hermes gets, only how long it takes: a copy of its configuration, a parsed
YAML file, a CA bundle that was looked at before. Each step takes effect on what Hermes has imported
so far, and skips what this Hermes does not have.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import importlib
import math
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.quick_yaml import read_yaml_quickly


def everything() -> None:
    """Take all short cuts whose modules are imported. May be called again after more imports."""
    read_yaml_quickly()
    copy_config_fast()
    share_certificates()


# -- garbage -------------------------------------------------------------------------------------


def pause_collector() -> None:
    """Collect no garbage while Hermes is imported: there is none, and looking takes a quarter."""
    gc.disable()


def resume_collector() -> None:
    """Collect garbage again, but not what is there by now: code, which stays."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


# -- the configuration -----------------------------------------------------------------------------


def copy_config_fast() -> None:
    """Have Hermes copy its configuration quickly: a turn asks for a copy some thirty times.

    Python's ``deepcopy`` is written for anything; a configuration is mappings, lists and scalars.
    """
    module: Any = sys.modules.get("hermes_cli.config")
    if module is not None and getattr(module, "copy", None) is copy:
        module.copy = _QuickCopy()


def compile_config() -> None:
    """Turn the configuration as it is now into code that builds a copy, for this process's forks.

    Hermes keeps it between two loads and copies that; when its file changes it makes another, which
    is copied without the code.
    """
    config: Any = importlib.import_module("hermes_cli.config")
    copier = getattr(config, "copy", None)
    load = getattr(config, "load_config_readonly", None)
    if isinstance(copier, _QuickCopy) and load is not None:
        copier.compile(load())


class _QuickCopy:
    """Python's ``copy`` module for one other module, with plain data copied the short way."""

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
        """Return a copy that shares nothing that can change."""
        if memo is not None:
            return copy.deepcopy(value, memo)
        if value is self._known and self._build is not None and value == self._pristine:
            return self._build()
        return quick_copy(value)


def quick_copy(value: Any) -> Any:
    """Copy plain data; what is not of exactly a plain type is left to ``copy.deepcopy``."""
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
    """Return a function that builds a value equal to ``value`` from nothing; None if it cannot.

    Executing a literal is some ten times as fast as walking what it stands for.
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


# -- certificates ----------------------------------------------------------------------------------


def share_certificates() -> None:
    """Read each CA bundle once per process: every HTTP client of a turn asks for the same one.

    A context with a bundle loaded takes some 20 ms to make. Only contexts with the default
    verification are shared; a client that asks for another gets its own.
    """
    _share_httpx_contexts()
    _check_bundles_once()
    for name in ("agent.ssl_guard", "agent.ssl_verify"):
        with contextlib.suppress(ImportError):
            module: Any = importlib.import_module(name)
            if getattr(module, "ssl", None) is ssl:
                module.ssl = _RememberingSsl()


class _RememberingSsl:
    """Python's ``ssl`` module for one other module, with its default contexts remembered."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, int], ssl.SSLContext] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)

    def create_default_context(self, *args: Any, **kwargs: Any) -> ssl.SSLContext:
        """Return the context of a bundle file, made once for each state of the file."""
        if args or set(kwargs) != {"cafile"}:
            return ssl.create_default_context(*args, **kwargs)
        path = str(kwargs["cafile"])
        key = (path, Path(path).stat().st_mtime_ns)
        if key not in self._contexts:
            self._contexts[key] = ssl.create_default_context(cafile=path)
        return self._contexts[key]


def _check_bundles_once() -> None:
    """Have Hermes check a CA bundle again only when its file changed: it does for each client."""
    with contextlib.suppress(ImportError):
        module: Any = importlib.import_module("agent.ssl_guard")
        check = getattr(module, "_validate_bundle_path", None)
        if check is not None and not hasattr(check, "__wrapped__"):
            module._validate_bundle_path = _once_per_state(check)


def _once_per_state(check: Callable[..., None]) -> Callable[..., None]:
    passed: set[Any] = set()

    @functools.wraps(check)
    def checked(label: str, value: str, **options: Any) -> None:
        state: Any = None
        with contextlib.suppress(OSError):
            found = Path(value).expanduser().stat()
            state = (
                value,
                found.st_ino,
                found.st_mtime_ns,
                found.st_size,
                *sorted(options.items()),
            )
        if state is None or state not in passed:
            check(label, value, **options)
            passed.add(state)

    return checked


def _share_httpx_contexts() -> None:
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
