"""Put the turn's id into every line of the profile's own log."""

from __future__ import annotations

import logging
from typing import Any


def mark_log_lines(turn_id: str) -> None:
    """Have each log line show the turn, after the session that Hermes shows there.

    Hermes's formats show ``session_tag``, which its own record factory sets. A worker serves one
    turn, so the mark is right for the whole process.
    """
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.session_tag = f"{getattr(record, 'session_tag', '')} [turn {turn_id}]"
        return record

    logging.setLogRecordFactory(factory)
