"""How a message gets to the gateway from any code in this process that sends."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hermes_router.protocol import messages as msg
from hermes_router_worker.process.connection import CallFailed, Connection
from hermes_router_worker.send.files import refuse_foreign


class Transport(Protocol):
    """Carries a message to the gateway, for Hermes's code that sends without an adapter."""

    async def deliver(
        self,
        target: msg.Place,
        text: str,
        *,
        files: Sequence[tuple[str, bool]],
        as_documents: bool,
    ) -> dict[str, Any]:
        """Have the gateway send a text and files, and wait for the result.

        ``files`` are pairs: a path, and True if it is a voice message. With ``as_documents``,
        pictures and videos are sent unchanged. Returns a map like that of Hermes's own function:
        with ``success``, or with ``error`` if not everything was sent.
        """

    async def react(
        self, target: msg.Place, *, emoji: str | None, message_id: str | None
    ) -> dict[str, Any]:
        """Have the gateway put a reaction on a message, or remove it if ``emoji`` is None.

        Without ``message_id``, the conversation's last message is meant. Returns a map as
        :meth:`deliver` does.
        """


class Gateway:
    """The transport of a worker: its own pipe. May be used from any thread and event loop.

    ``loop`` is the event loop that reads the pipe; a caller that waits here must not block it. If
    the loop does not begin with a message within ``patience`` seconds, nothing is sent, and the
    caller gets an error.
    """

    def __init__(
        self, link: Connection, loop: asyncio.AbstractEventLoop, *, patience: float = 30.0
    ) -> None:
        self._patience = patience
        self._link = link
        self._loop = loop

    async def deliver(
        self,
        target: msg.Place,
        text: str,
        *,
        files: Sequence[tuple[str, bool]],
        as_documents: bool,
    ) -> dict[str, Any]:
        """Have the gateway send a text and files; see :class:`Transport`."""
        return await self._in_loop(self._deliver, target, text, files, as_documents)

    async def react(
        self, target: msg.Place, *, emoji: str | None, message_id: str | None
    ) -> dict[str, Any]:
        """Have the gateway put a reaction on a message, or remove it; see :class:`Transport`."""
        return await self._in_loop(self._react, target, emoji, message_id)

    async def _in_loop(self, work: Callable[..., Any], *args: Any) -> dict[str, Any]:
        try:
            if asyncio.get_running_loop() is self._loop:
                return dict(await work(*args))
            return dict(await self._from_outside(work, *args))
        except (CallFailed, OSError) as error:
            return {"error": str(error)}

    async def _from_outside(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do the work in the pipe's loop; give up if the caller blocks that loop.

        Raises:
            BlockingIOError: the loop did not begin in time; nothing was sent.
        """
        begun: concurrent.futures.Future[None] = concurrent.futures.Future()

        async def begin() -> Any:
            begun.set_result(None)
            return await work(*args)

        future = asyncio.run_coroutine_threadsafe(begin(), self._loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(begun), self._patience)
        except TimeoutError:
            if future.cancel():
                raise BlockingIOError(
                    "nothing was sent: the worker's event loop is blocked; send from a thread"
                ) from None
        return await asyncio.wrap_future(future)

    async def _deliver(
        self,
        target: msg.Place,
        text: str,
        files: Sequence[tuple[str, bool]],
        as_documents: bool,  # noqa: FBT001 - passed on by position, to another loop
    ) -> Any:
        references = []
        for path, _voice in files:
            refuse_foreign(Path(path))
            references.append(await self._link.send_file(path))
        return await self._link.ask(
            lambda number: msg.Deliver(
                id=number,
                platform=target.platform,
                chat_id=target.chat_id,
                thread_id=target.thread_id,
                text=text,
                files=references,
                voice=[index for index, (_path, voice) in enumerate(files) if voice],
                as_documents=as_documents,
            )
        )

    async def _react(self, target: msg.Place, emoji: str | None, message_id: str | None) -> Any:
        return await self._link.ask(
            lambda number: msg.React(
                id=number,
                platform=target.platform,
                chat_id=target.chat_id,
                thread_id=target.thread_id,
                message_id=message_id,
                emoji=emoji,
            )
        )
