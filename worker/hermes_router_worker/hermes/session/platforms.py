"""Platforms and adapters by Hermes's names: the classes from which a worker makes its own.

Hermes is imported inside the functions: an import before the profile is set would keep another
profile's paths.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any


def platform_of(name: str) -> Any:
    """Return Hermes's ``Platform`` with this name.

    Raises:
        ValueError: Hermes knows no such platform.
    """
    return importlib.import_module("gateway.config").Platform(name)


def settings_of(config: Any, platform: Any) -> Any:
    """Return a platform's settings in a gateway's configuration; if there are none, add them."""
    settings = config.platforms.get(platform)
    if settings is None:
        made = importlib.import_module("gateway.config").PlatformConfig()
        settings = config.platforms[platform] = made
    return settings


def adapter_base() -> Any:
    """Return the base class of every adapter."""
    return importlib.import_module("gateway.platforms.base").BasePlatformAdapter


def send_result(**fields: Any) -> Any:
    """Return Hermes's result of a send, from the fields that this Hermes knows."""
    cls = importlib.import_module("gateway.platforms.base").SendResult
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in fields.items() if name in names})


def thread_metadata(source: Any) -> Any:
    """Return the metadata with which an adapter sends into the thread of a source."""
    return importlib.import_module("gateway.platforms.base")._thread_metadata_for_source(source)


def channel_prompt(extra: Any, own: str, parent: str | None) -> str | None:
    """Return the prompt that a platform's settings have for a channel, or for its parent.

    ``extra`` are the settings; ``own`` and ``parent`` are the ids. None means that there is none.
    """
    base = importlib.import_module("gateway.platforms.base")
    found: str | None = base.resolve_channel_prompt(extra, own, parent)
    return found


def channel_skills(extra: Any, own: str, parent: str | None) -> Any:
    """Return the skills that a platform's settings have for a channel, or for its parent."""
    base = importlib.import_module("gateway.platforms.base")
    return base.resolve_channel_skills(extra, own, parent)


async def redeliver(runner: Any, carriers: Mapping[str, Any]) -> int:
    """Have Hermes send the replies that dead processes left unsent; return how many.

    The maintenance of the home calls it. The runner of a worker has no adapters of its own:
    ``carriers`` take their place meanwhile, one for each platform name, and hand the reply to the
    gateway.
    """
    own = runner.adapters
    runner.adapters = {platform_of(name): carrier for name, carrier in carriers.items()}
    try:
        return int(await runner._redeliver_pending_obligations())
    finally:
        runner.adapters = own
