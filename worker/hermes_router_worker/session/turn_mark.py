"""Put the turn's id where people look for it: in the profile's own log, in texts about failures.

``hermes-router logs --turn ID`` finds the cause.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

#: The id that the next text to be sent in this context ends in; empty if there is none.
_owed: ContextVar[str] = ContextVar("hermes_router_owed_id", default="")


def mark_log_lines(turn_id: str) -> None:
    """Have each line of the profile's own log end its session tag with this turn's id.

    Hermes's formats show ``session_tag``, which its own record factory sets. A worker serves one
    turn or job, so the mark is right for the whole process. Called once, when the work begins.
    """
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.session_tag = f"{getattr(record, 'session_tag', '')} [turn {turn_id}]"
        return record

    logging.setLogRecordFactory(factory)


def with_id(text: str, turn_id: str) -> str:
    """Return the text of a failure with the turn's id at its end."""
    return f"{text.rstrip()} [{turn_id}]"


def mark_next_text(turn_id: str) -> None:
    """Have the next text that this task sends end in the turn's id; "" takes that back.

    Called when a message handler raised: Hermes's adapter then sends the person a text about it, in
    the same task. :func:`marked` adds the id.
    """
    _owed.set(turn_id)


def marked(text: str) -> str:
    """Return a text that the pipe adapter is about to send, with the id if it has to have one.

    It has to after :func:`mark_next_text`, and only the first text does.
    """
    turn_id = _owed.get()
    if not turn_id:
        return text
    _owed.set("")
    return with_id(text, turn_id)
