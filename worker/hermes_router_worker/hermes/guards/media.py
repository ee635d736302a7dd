"""Files that a reply attaches: which are refused, and why."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hermes_router_worker.hermes.guards import homes


def cover_media(module: ModuleType) -> None:
    """Let ``gateway.platforms.base`` refuse what no profile may attach, and nothing else.

    A folder that Hermes refuses as a whole, like ``/root`` or ``/var/lib``, may be where the Hermes
    root lies: what is the profile's own can be attached there too.
    """
    _deny_every_users_credentials(module)
    _allow_own_files(module)
    _refuse_foreign_files(module)


def _deny_every_users_credentials(module: ModuleType) -> None:
    original = module._media_delivery_denied_paths

    @functools.wraps(original)
    def denied_paths() -> list[Path]:
        names = module._MEDIA_DELIVERY_DENIED_HOME_SUBPATHS
        return [*original(), *(home / name for home in homes.user_homes() for name in names)]

    module._media_delivery_denied_paths = denied_paths  # type: ignore[attr-defined]


def _allow_own_files(module: ModuleType) -> None:
    def under_denied_prefix(resolved: Path) -> bool:
        own, account = homes.own_home(), homes.account_home()
        is_own = resolved.is_relative_to(own)
        denied = map(Path.resolve, module._media_delivery_denied_paths())
        hit = [folder for folder in denied if resolved.is_relative_to(folder)]
        if is_own:
            return any(not own.is_relative_to(folder) for folder in hit)
        return any(folder != account for folder in hit)

    module._path_under_denied_prefix = under_denied_prefix  # type: ignore[attr-defined]


def _refuse_foreign_files(module: ModuleType) -> None:
    """Refuse them before Hermes's list of allowed folders: every profile's cache is on it."""
    original: Callable[..., str | None] = module.validate_media_delivery_path

    @functools.wraps(original)
    def validate(path: str, *args: Any, **options: Any) -> str | None:
        accepted = original(path, *args, **options)
        return None if accepted is None or homes.is_foreign(Path(accepted)) else accepted

    module.validate_media_delivery_path = validate  # type: ignore[attr-defined]


def why_refused(name: str) -> str:
    """Return why a path that was refused is not attached, for the chat and the log."""
    try:
        path = Path(os.path.expanduser(name.strip("`\"' "))).resolve()  # noqa: PTH111 - no error for ~nobody
        if not path.exists():
            return "there is no such file"
        if not path.is_file():
            return "it is not a file"
        if homes.is_foreign(path):
            return "it belongs to another profile or to the gateway"
        if not os.access(path, os.R_OK):
            return "it cannot be read"
    except (OSError, RuntimeError, ValueError):
        return "its name is not one of a file"
    return "files of its folder, or with its name, may hold secrets and are never attached"
