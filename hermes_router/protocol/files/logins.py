"""Read Hermes's file of logins (``auth.json``), in the same way for doctor and for workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def logged_in(store: Path) -> set[str]:
    """Return the names of the model providers for which the file ``store`` holds a login.

    The set is empty if the file is missing or not valid.
    """
    try:
        if not store.is_file():  # to open a FIFO would wait for its writer
            return set()
        content = msgspec.json.decode(store.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return set()
    parts = [content.get(name) for name in ("providers", "credential_pool")]
    return {name for part in parts if isinstance(part, dict) for name, has in part.items() if has}
