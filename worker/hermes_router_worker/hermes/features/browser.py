"""The names of the browser tool's sessions: they tell whose a browser is.

Hermes names a local browser session by chance. Each worker has a TMPDIR of its own, where the
sessions' sockets are, so that no two workers meet there; the name is for who looks at processes.
"""

from __future__ import annotations

import importlib
import re
import uuid
from typing import Any

#: Characters of a profile's name: the name stands twice in a socket's path, which may have 107.
_NAME_CHARS = 8


def name_sessions(profile: str) -> None:
    """Have local browser sessions named for the profile; a second call changes nothing."""
    try:
        browser: Any = importlib.import_module("tools.browser_tool")
        original = browser._create_local_session
    except (ImportError, AttributeError):  # a Hermes without a local browser
        return
    if hasattr(original, "named_by_profile"):
        return

    def create(task_id: str) -> Any:
        session = original(task_id)
        session["session_name"] = session_name(profile)
        return session

    create.named_by_profile = True  # type: ignore[attr-defined]
    browser._create_local_session = create


def session_name(profile: str) -> str:
    """Return a new name. It begins as Hermes's do: by that it finds what a dead process left."""
    whose = re.sub(r"[^a-z0-9]", "-", profile.lower())[:_NAME_CHARS]
    return f"h_{whose}_{uuid.uuid4().hex[:6]}"
