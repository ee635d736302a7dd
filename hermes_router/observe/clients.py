"""Answer requests on a socket so that no client can slow down turns, whatever it sends.

The status socket and the metrics port use this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_CLIENTS = 8
_SECONDS = 5.0


class Clients:
    """Answers at most 8 clients at a time, one short request of each, each within 5 s.

    ``answer`` reads a request and returns the bytes of the answer. ``faults`` are the errors that
    it raises for an invalid request; they are ignored. For any other error, ``failure`` is logged
    with the traceback. ``allowed`` returns False for a client that gets no answer.
    """

    def __init__(
        self,
        answer: Callable[[asyncio.StreamReader], Awaitable[bytes]],
        *,
        faults: tuple[type[Exception], ...],
        failure: str,
        allowed: Callable[[asyncio.StreamWriter], bool] = lambda _writer: True,
    ) -> None:
        self._answer = answer
        self._faults: tuple[type[Exception], ...] = (OSError, TimeoutError, *faults)
        self._failure = failure
        self._allowed = allowed
        self._count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client and close its connection; this never raises for what a client does.

        With more than 8 clients, the connection is closed without an answer.
        """
        self._count += 1
        try:
            if self._count <= _CLIENTS and self._allowed(writer):
                async with asyncio.timeout(_SECONDS):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except self._faults:
            pass  # the client hangs, sends too much, or is gone
        except Exception:
            logger.exception("%s", self._failure)
        finally:
            self._count -= 1
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            else:
                writer.close()
