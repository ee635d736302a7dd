"""Files that a reply attaches: which of them are refused, and why."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.guards import homes


def cover_media(module: ModuleType) -> None:
    """Have Hermes refuse to attach the files that no profile may attach, and no others.

    ``module`` is ``gateway.platforms.base``. Hermes refuses some folders as a whole, such as
    ``/root`` or ``/var/lib``. The Hermes root may be there; the profile's own files below it can be
    attached all the same.
    """
    _allow_own_files(module)
    _refuse_foreign_files(module)


def _allow_own_files(module: ModuleType) -> None:
    def under_denied_prefix(resolved: Path) -> bool:
        own, account = homes.own_home(), homes.account_home()
        is_own = resolved.is_relative_to(own)
        hit = [folder for folder in _denied(module) if resolved.is_relative_to(folder)]
        if is_own:
            return any(not own.is_relative_to(folder) for folder in hit)
        return any(folder != account for folder in hit)

    replacements.MEDIA_UNDER_DENIED.replace(lambda _: under_denied_prefix, on=module)


def _denied(module: ModuleType) -> list[Path]:
    """Return what Hermes denies, and in every user's home what it denies in its own user's."""
    names = module._MEDIA_DELIVERY_DENIED_HOME_SUBPATHS
    everybodys = [home / name for home in homes.user_homes() for name in names]
    return [path.resolve() for path in [*module._media_delivery_denied_paths(), *everybodys]]


def _refuse_foreign_files(module: ModuleType) -> None:
    """Refuse foreign files before Hermes's list of allowed folders: it has all caches."""

    def covering(original: Callable[..., str | None]) -> Callable[..., str | None]:
        @functools.wraps(original)
        def validate(path: str, *args: Any, **options: Any) -> str | None:
            accepted = original(path, *args, **options)
            return None if accepted is None or homes.is_foreign(Path(accepted)) else accepted

        return validate

    replacements.MEDIA_VALID.replace(covering, on=module)


def why_refused(name: str) -> str:
    """Return why a refused path is not attached, in words for the chat and the log."""
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
        return "its name is not a file name"
    return "files with this name or in this folder may contain secrets and are never attached"
