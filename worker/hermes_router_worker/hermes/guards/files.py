"""File tools and references: which files must not be read, written or quoted."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.guards import homes

_OTHERS_CONFIG = (
    "Refusing to write to Hermes config file: {path}\n"
    "It is the configuration of another profile or of the gateway."
)


def cover_file_safety(module: ModuleType) -> None:
    """Have Hermes's checks of files protect every user's and every Hermes home, not only its own.

    ``module`` is ``agent.file_safety``.
    """
    if replacements.GUARD_HOMES.present():
        _add_user_homes(module)
        replacements.WRITE_DENIAL.replace(_for_others_too, on=module)
    else:
        replacements.WRITE_DENIAL.replace(
            lambda original: _for_others_too(_for_all_users(original, module)), on=module
        )
    replacements.READ_BLOCK.replace(_for_others_too, on=module)


def cover_config_files(module: ModuleType) -> None:
    """Have the file tools refuse to write any home's ``config.yaml``: Hermes refuses its own.

    Called with each module that may have the check. A module that does not have it stays as it is.
    """
    if replacements.CHECK_SENSITIVE_PATH.find() is not module:
        return

    def covering(original: Callable[..., str | None]) -> Callable[..., str | None]:
        @functools.wraps(original)
        def check(filepath: str, task_id: str = "default") -> str | None:
            refused = original(filepath, task_id)
            if refused is None and _is_a_config(Path(_resolved(module, filepath, task_id))):
                return _OTHERS_CONFIG.format(path=filepath)
            return refused

        return check

    replacements.CHECK_SENSITIVE_PATH.replace(covering, on=module)


def cover_references(module: ModuleType) -> None:
    """Have ``@file:`` in a message refuse files in any user's folders for credentials.

    ``module`` is ``agent.context_references``.
    """
    files = module._SENSITIVE_HOME_FILES
    folders = getattr(module, "_SENSITIVE_HOME_DIRS", ()) or module.HOME_CREDENTIAL_DIRS

    def covering(original: Callable[[Path], None]) -> Callable[[Path], None]:
        @functools.wraps(original)
        def check(path: Path) -> None:
            original(path)
            for home in homes.user_homes():
                exact = any(path == home / name for name in files)
                if exact or any(path.is_relative_to(home / name) for name in folders):
                    raise ValueError("path is a sensitive credential file and cannot be attached")

        return check

    replacements.ALLOW_REFERENCE.replace(covering, on=module)


def _add_user_homes(module: ModuleType) -> None:
    def covering(original: Callable[[str], set[str]]) -> Callable[..., set[str]]:
        @functools.wraps(original)
        def guard_homes(path: str = "") -> set[str]:
            return {*original(path), *map(str, homes.user_homes())}

        return guard_homes

    replacements.GUARD_HOMES.replace(covering, on=module)


def _for_all_users(original: Callable[[str], Any], module: ModuleType) -> Callable[[str], Any]:
    """Deny in every user's home what Hermes denies in its own user's; for Hermes before 0.21."""
    needs_approval = getattr(module, "is_write_approval_required", lambda _: False)

    @functools.wraps(original)
    def check(path: str) -> Any:
        verdict = original(path)
        if verdict or needs_approval(path):
            return verdict
        resolved = os.path.realpath(os.path.expanduser(str(path)))  # noqa: PTH111 - as Hermes does
        for user in map(str, homes.user_homes()):
            folders = tuple(module.build_write_denied_prefixes(user))
            if resolved in module.build_write_denied_paths(user) or resolved.startswith(folders):
                return "credential"
        return verdict

    return check


def _for_others_too(original: Callable[..., Any]) -> Callable[..., Any]:
    """Repeat a check as the home that holds the path would make it."""

    @functools.wraps(original)
    def check(path: str, **options: Any) -> Any:
        verdict = original(path, **options)
        for home in [] if verdict else _others_holding(path):
            with _asking_as(home):
                verdict = verdict or original(path, **options)
        return verdict

    return check


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
    """Let ``home`` be Hermes's home for this thread or task; HERMES_HOME stays what it is."""
    from hermes_constants import reset_hermes_home_override, set_hermes_home_override

    token = set_hermes_home_override(home)
    try:
        yield
    finally:
        reset_hermes_home_override(token)


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
