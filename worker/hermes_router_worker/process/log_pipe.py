"""Pass what a worker prints through the supervisor into the worker log.

Only whole lines are written, as :mod:`hermes_router.protocol.printed` says.
"""

from __future__ import annotations

import os

from hermes_router.protocol.printed import NO_TURN, json_line, now, printed_lines, whole_lines

_READ_BYTES = 64 * 1024
#: Reads per look, so that a flood of output does not keep the supervisor from its other duties.
_READS = 16


class LogPipe:
    """The reading end of a pipe that is the worker's stderr, and the log that gets the lines.

    The supervisor uses it. ``limit`` is the largest number of bytes that are passed on, 0 for no
    limit; ``count`` is the number of bytes that the worker has printed. ``turn`` is set when the
    worker's turn is known. With ``as_json``, each line is a JSON object.
    """

    def __init__(self, pipe: int, log: int, limit: int, *, as_json: bool = False) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.count = 0
        self.turn = NO_TURN
        self._log = log
        self._limit = limit
        self._as_json = as_json
        self._begun = b""

    @property
    def too_much(self) -> bool:
        """True if the worker printed more than ``limit``; the supervisor then ends it."""
        return 0 < self._limit < self.count

    def pass_on(self) -> bool:
        """Write into the log what the worker has printed so far; do not wait for more.

        Returns False when no process can print into the pipe any more. A call reads 1 MiB at most.
        What cannot be written, for example because the disk is full, is lost.
        """
        for _ in range(_READS):
            try:
                data = os.read(self.pipe, _READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._take(data)
        return True

    def finish(self) -> None:
        """Write what is left in the pipe, and a last line that has no end.

        Call it after every process that could print has ended.
        """
        while not self.too_much:
            before = self.count
            self.pass_on()
            if self.count == before:
                break
        self._write(self._begun)

    def say(self, event: str, **fields: object) -> None:
        """Write a line of the supervisor itself into the log: an event with its fields.

        The worker's limit does not count it.
        """
        if self._as_json:
            self._put(json_line({"event": event, **fields}))
        else:
            pairs = " ".join(f"{name}={value}" for name, value in fields.items())
            self._put(f"{now()} hermes-router {event} {pairs}\n".encode())

    def _take(self, data: bytes) -> None:
        room = max(0, self._limit - self.count) if self._limit else len(data)
        self.count += len(data)
        lines, self._begun = whole_lines(self._begun + data[:room])
        self._write(lines)

    def _write(self, data: bytes) -> None:
        if data:
            self._put(printed_lines(data, self.turn, as_json=self._as_json))

    def _put(self, shown: bytes) -> None:
        try:
            while shown:
                shown = shown[os.write(self._log, shown) :]
        except OSError:  # the disk is full: there is nobody to tell
            return
