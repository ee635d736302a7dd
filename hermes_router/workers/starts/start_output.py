"""Pass what a process prints before it has a supervisor into the worker log, as lines of the log.

``bwrap``, ``systemd-run`` and Python itself say on standard error why they cannot start something.
A worker's supervisor takes over as soon as it runs. A template and a sandbox's first process never
have one: for them the gateway passes on all that they print.
"""

from __future__ import annotations

import contextlib
import os
import time
from types import TracebackType
from typing import Self

import anyio

from hermes_router.base.tasks import BackgroundTasks
from hermes_router.protocol.printed import printed_lines, whole_lines

#: At most so many bytes are passed on at once, and at least so many seconds lie between two times.
_READ_BYTES, _PAUSE = 8 * 1024, 0.01

#: After it has passed output on, the gateway pauses so many times as long as that took. So a
#: process that prints without end has to wait, and costs the gateway a tenth of its time at most.
_PAUSE_FACTOR = 9

#: Maximum number of bytes a second that are written into the log.
_BYTES_PER_SECOND = 4_000_000

_tasks = BackgroundTasks("hermes-router: what a process printed could not be passed on")


class StartOutput:
    """A pipe for the standard error of a process that is being started, and the log behind it.

    Use it as a context manager around the start, in the event loop: ``descriptor``, the end that
    the process gets, is closed at the end of the block. What is printed is passed on to the
    descriptor ``log``, which the caller may close, until no process can print any more. ``turn`` is
    the id that the lines get; it may be changed.
    """

    def __init__(self, log: int, turn: str, *, as_json: bool) -> None:
        self.turn = turn
        self._as_json = as_json
        self._log = log

    def __enter__(self) -> Self:
        """Begin to pass on what is printed.

        Raises:
            OSError: this process may open no more files.
        """
        log = os.dup(self._log)
        try:
            reader, self.descriptor = os.pipe()
        except OSError:
            os.close(log)
            raise
        os.set_blocking(reader, False)
        _tasks.start(self._pass_on(reader, log))
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    async def _pass_on(self, reader: int, log: int) -> None:
        begun = b""
        try:
            while data := await _read(reader):
                since = time.perf_counter()
                written, begun = self._write(log, begun + data)
                spent = time.perf_counter() - since
                await anyio.sleep(max(_PAUSE, _PAUSE_FACTOR * spent, written / _BYTES_PER_SECOND))
        finally:  # a gateway that ends does not lose the last words
            with contextlib.suppress(BlockingIOError):
                begun += os.read(reader, _READ_BYTES)
            if begun:
                self._write(log, begun + b"\n")
            anyio.notify_closing(reader)
            os.close(reader)
            os.close(log)

    def _write(self, log: int, data: bytes) -> tuple[int, bytes]:
        """Write the whole lines of ``data`` into the log; return how many bytes, and the rest."""
        written = 0
        lines, rest = whole_lines(data)
        if lines:
            shown = printed_lines(lines, self.turn, as_json=self._as_json)
            with contextlib.suppress(OSError):  # the disk is full: there is nobody to tell
                while written < len(shown):
                    written += os.write(log, shown[written:])
        return written, rest


async def _read(reader: int) -> bytes:
    """Wait until there is something to read, and return it; b"" if nothing more will come."""
    while True:
        await anyio.wait_readable(reader)
        with contextlib.suppress(BlockingIOError):
            return os.read(reader, _READ_BYTES)
