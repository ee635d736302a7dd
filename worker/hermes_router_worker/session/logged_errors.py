"""The error that Hermes logged last while it handled a message.

What Hermes then tells the person leaves the cause out; its log has it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

_noted: ContextVar[list[str] | None] = ContextVar("hermes_router_logged_error", default=None)


def described(error: BaseException) -> str:
    """Return an error's class and words, for a person: ``ValueError: no such model``."""
    return ": ".join(filter(None, (type(error).__name__, str(error))))


@contextlib.contextmanager
def last_logged_error() -> Iterator[list[str]]:
    """Yield a list that holds the last exception that the block logged as an error, described.

    The list is empty until there is one, and has one entry then. Errors of tasks and threads that
    run in a copy of the block's context count too.
    """
    _watch()
    noted: list[str] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


class _Watch(logging.Handler):
    """Notes the exception of each record for the block in whose context it was logged."""

    def emit(self, record: logging.LogRecord) -> None:
        noted = _noted.get()
        error = record.exc_info[1] if record.exc_info else None
        if noted is not None and error is not None:
            noted[:] = [described(error)]


def _watch() -> None:
    """Have the root logger note errors; Hermes may have set its handlers anew meanwhile."""
    root = logging.getLogger()
    if not any(isinstance(handler, _Watch) for handler in root.handlers):
        root.addHandler(_Watch(logging.ERROR))
