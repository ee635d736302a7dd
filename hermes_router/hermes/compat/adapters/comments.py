"""Read comments on documents, which Feishu's adapter does not hand on as messages."""

from __future__ import annotations

import importlib
from typing import Any


def writer_of(event: Any) -> str | None:
    """Return the id of the person who wrote a comment; None if the event names nobody.

    ``event`` is what Feishu tells its adapter of the comment.
    """
    comments = importlib.import_module("plugins.platforms.feishu.feishu_comment")
    return (comments.parse_drive_comment_event(event) or {}).get("from_open_id") or None
