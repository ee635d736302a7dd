"""Hermes's logs in this process: set them up, and stop their thread while the process forks."""

from __future__ import annotations

import logging
import sys
import threading


def set_up_logging() -> None:
    """Write agent.log, errors.log and gateway.log of this home, as its gateway does.

    The command line has set up logging already, in another mode; a second set-up is harmless. This
    starts a listener thread: a process that forks later must stop the thread before the fork.
    """
    import hermes_logging
    from hermes_constants import get_hermes_home

    hermes_logging.setup_logging(hermes_home=get_hermes_home(), mode="gateway")


def warn_on_stderr() -> None:
    """Send warnings, with secrets redacted, to standard error: the worker's own log."""
    from agent.redact import RedactingFormatter

    root = logging.getLogger()
    if any(getattr(handler, "name", None) == __name__ for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(__name__)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)


def quiet_logging() -> None:
    """Stop the thread that writes Hermes's logs: no thread may run when a process forks.

    A template calls it; :func:`resume_logging` starts the thread again in a forked worker.
    """
    import hermes_logging

    with hermes_logging._queue_state_lock:
        listener = hermes_logging._queue_listener
        if listener is not None:
            listener.stop()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(timeout=5)


def resume_logging() -> None:
    """Start the log thread again, in a forked worker."""
    import hermes_logging

    listener = hermes_logging._queue_listener
    if listener is not None and getattr(listener, "_thread", None) is None:
        listener.start()
