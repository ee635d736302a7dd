"""Hermes's files of logins (``auth.json``): doctor and workers must read the same out of them."""

from __future__ import annotations

from pathlib import Path

import msgspec


def logged_in(store: Path) -> set[str]:
    """Return the providers that a file of logins has something for; none if it is no such file."""
    try:
        content = msgspec.json.decode(store.read_bytes())
    except (OSError, msgspec.DecodeError):
        return set()
    parts = [content.get(name) for name in ("providers", "credential_pool")]
    return {name for part in parts if isinstance(part, dict) for name, has in part.items() if has}
