"""File tools and references: which files may not be read, written or quoted."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

from hermes_router_worker.hermes.guards import homes

_seen_from: ContextVar[Path | None] = ContextVar("seen_from", default=None)
"""The Hermes home that a guard is asked about, where that is not the running one."""

_OTHERS_CONFIG = (
    "Refusing to write to Hermes config file: {path}\n"
    "It is the configuration of another profile or of the gateway."
)


def cover_file_safety(module: ModuleType) -> None:
    """Let ``agent.file_safety`` protect every user's home and every Hermes home."""
    _let_home_be_chosen(module)
    if hasattr(module, "_guard_homes"):
        _add_user_homes(module)
    else:
        _build_for_all_users(module, "build_write_denied_paths")
        _build_for_all_users(module, "build_write_denied_prefixes")
    for name in ("_classify_write_denial", "get_read_block_error"):
        _ask_for_others_too(module, name)


def cover_config_files(module: ModuleType) -> None:
    """Let the file tools refuse to write any home's ``config.yaml``: Hermes refuses its own."""
    original = getattr(module, "_check_sensitive_path", None)
    if original is None or original.__module__ != module.__name__:
        return

    @functools.wraps(original)
    def check(filepath: str, task_id: str = "default") -> str | None:
        refused: str | None = original(filepath, task_id)
        if refused is None and _is_a_config(Path(_resolved(module, filepath, task_id))):
            return _OTHERS_CONFIG.format(path=filepath)
        return refused

    module._check_sensitive_path = check  # type: ignore[attr-defined]


def cover_references(module: ModuleType) -> None:
    """Let ``@file:`` in a message refuse what lies in any user's folders for credentials."""
    original = module._ensure_reference_path_allowed
    files = module._SENSITIVE_HOME_FILES
    folders = getattr(module, "_SENSITIVE_HOME_DIRS", ()) or module.HOME_CREDENTIAL_DIRS

    @functools.wraps(original)
    def check(path: Path) -> None:
        original(path)
        for home in homes.user_homes():
            exact = any(path == home / name for name in files)
            if exact or any(path.is_relative_to(home / name) for name in folders):
                raise ValueError("path is a sensitive credential file and cannot be attached")

    module._ensure_reference_path_allowed = check  # type: ignore[attr-defined]


def _let_home_be_chosen(module: ModuleType) -> None:
    original = module._hermes_home_path

    def hermes_home_path() -> Path:
        return _seen_from.get() or original()

    module._hermes_home_path = hermes_home_path  # type: ignore[attr-defined]


def _add_user_homes(module: ModuleType) -> None:
    original = module._guard_homes

    @functools.wraps(original)
    def guard_homes(path: str = "") -> set[str]:
        return {*original(path), *map(str, homes.user_homes())}

    module._guard_homes = guard_homes  # type: ignore[attr-defined]


def _build_for_all_users(module: ModuleType, name: str) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def build(home: str) -> Any:
        built = original(home)
        everybody = [item for user in homes.user_homes() for item in original(str(user))]
        return type(built)([*built, *everybody])

    setattr(module, name, build)


def _ask_for_others_too(module: ModuleType, name: str) -> None:
    """Ask a check again as the home that holds the path would ask it."""
    original = getattr(module, name)

    @functools.wraps(original)
    def check(path: str, **options: Any) -> Any:
        verdict = original(path, **options)
        for home in [] if verdict else _others_holding(path):
            with _asking_as(home):
                verdict = verdict or original(path, **options)
        return verdict

    setattr(module, name, check)


def _others_holding(path: str) -> Iterator[Path]:
    try:
        resolved = Path(os.path.expanduser(str(path))).resolve()  # noqa: PTH111 - no error for ~nobody
    except (OSError, RuntimeError, ValueError):
        return
    own = homes.own_home()
    for home in homes.hermes_homes():
        if home != own and resolved.is_relative_to(home):
            yield home


@contextmanager
def _asking_as(home: Path) -> Iterator[None]:
    token = _seen_from.set(home)
    try:
        yield
    finally:
        _seen_from.reset(token)


def _resolved(module: ModuleType, filepath: str, task_id: str) -> str:
    resolve: Callable[[str, str], Any] = getattr(
        module, "_resolved_or_raw", getattr(module, "_resolve_path_for_task", lambda path, _: path)
    )
    try:
        return os.path.realpath(str(resolve(filepath, task_id)))
    except (OSError, ValueError):
        return filepath


def _is_a_config(path: Path) -> bool:
    return path.name == "config.yaml" and path.parent in homes.hermes_homes()
