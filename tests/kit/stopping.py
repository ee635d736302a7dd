"""Commands that start gateways of their own: a signal ends them, and the gateways with them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import psutil

from tests.kit.gateway import Gateway

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOP_SECONDS = 10.0


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have a signal end this process, with the gateways that it started and their folders.

    The signals are SIGINT, SIGTERM and SIGHUP. Commands such as the demo use it. The exit status is
    128 plus the signal's number. Further signals are ignored meanwhile, and no other thread is
    waited for.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        # Not in here: the main thread may hold what it takes to wait for a process.
        threading.Thread(target=_end, args=[number]).start()

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)


def _remove(base: Path) -> None:
    """Remove a root's folder, and the one that a command made for several of them."""
    shutil.rmtree(base, ignore_errors=True)
    if base.parent != Path(tempfile.gettempdir()).resolve():
        with contextlib.suppress(OSError):
            base.parent.rmdir()


def _end(number: int) -> None:
    print(f"ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    for gateway in Gateway.forbid():
        with contextlib.suppress(Exception):  # the others are to be stopped all the same
            gateway.stop(_STOP_SECONDS)
        _remove(gateway.root.base)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    os._exit(128 + number)
