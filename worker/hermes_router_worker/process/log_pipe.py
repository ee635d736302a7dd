r"""What a worker prints, on its way through the supervisor into the worker log.

The log is one file of all workers of a profile, with lines of the gateway in it. So that nothing
printed can be taken for one of those, or act on the terminal of who reads them, whole lines are
written, control characters are shown as ``\x1b``, and a line that looks like the gateway's gets a
bar in front.
"""

from __future__ import annotations

import os
import re

_READ_BYTES = 64 * 1024
#: A line that grows longer is written in pieces.
_LINE_BYTES = 16 * 1024
#: Reads per look, so that a flood does not keep the supervisor from its other duties.
_READS = 16

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
_GATEWAYS_OWN = re.compile(rb"^(?=\S+ hermes-router )", re.MULTILINE)


class LogPipe:
    """The reading end of a pipe that is the worker's stderr, and the log that it goes into.

    ``limit`` is the most bytes that are passed on, 0 for any number; ``count`` what has come.
    """

    def __init__(self, pipe: int, log: int, limit: int) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.count = 0
        self._log = log
        self._limit = limit
        self._begun = b""

    @property
    def too_much(self) -> bool:
        """Whether more came than is allowed."""
        return 0 < self._limit < self.count

    def pass_on(self) -> bool:
        """Write what is there into the log; return False when nothing more can come."""
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
        """Write what is left, when all that could print has ended."""
        while not self.too_much:
            before = self.count
            self.pass_on()
            if self.count == before:
                break
        self._write(self._begun + b"\n" if self._begun else b"")

    def _take(self, data: bytes) -> None:
        room = max(0, self._limit - self.count) if self._limit else len(data)
        self.count += len(data)
        lines, newline, rest = (self._begun + data[:room]).rpartition(b"\n")
        self._write(lines + newline)
        self._begun = rest
        if len(rest) > _LINE_BYTES:
            self._write(rest + b"\n")
            self._begun = b""

    def _write(self, data: bytes) -> None:
        if not data:
            return
        shown = _GATEWAYS_OWN.sub(b"| ", _CONTROL.sub(_escaped, data))
        try:
            while shown:
                shown = shown[os.write(self._log, shown) :]
        except OSError:  # the disk is full: nobody can be told
            return


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in match[0])
