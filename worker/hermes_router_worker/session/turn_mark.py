"""The turn's id in every line of the profile's own log."""

from __future__ import annotations

import logging
from typing import Any


def mark_log_lines(turn_id: str) -> None:
    """Have each log line say the turn, behind the session that Hermes puts there.

    Hermes's formats show ``session_tag``, which its own record factory sets. A worker serves one
    turn: the mark holds for the whole process.
    """
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.session_tag = f"{getattr(record, 'session_tag', '')} [turn {turn_id}]"
        return record

    logging.setLogRecordFactory(factory)
