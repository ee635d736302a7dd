"""Compute the key of a session for a place from which no message came, for the command line."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermes_router.hermes.compat.seams import message_sources
from hermes_router.profiles.config import SessionScope


def session_key(source: Mapping[str, Any], scope: SessionScope, home: Path) -> str:
    """Return the key of the session that a message with these source fields belongs to.

    ``scope`` says who shares a session in the profile, and ``home`` is the gateway's home. This
    imports Hermes, and sets ``HERMES_HOME`` if it is not set.

    Raises:
        ValueError: this Hermes does not know the platform.
    """
    # Hermes looks for a home when it is imported; give it this one, so that it does not guess.
    os.environ.setdefault("HERMES_HOME", str(home))
    platform = importlib.import_module("gateway.config").Platform(source["platform"])
    known = importlib.import_module("gateway.session").SessionSource
    fields = {name: value for name, value in source.items() if name in known.__dataclass_fields__}
    return message_sources.session_key(
        known(**{**fields, "platform": platform}),
        group_per_user=scope.group_sessions_per_user,
        thread_per_user=scope.thread_sessions_per_user,
    )
