"""Receive what the gateway sends to a session: messages, answers, files, the request to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError
from hermes_router_worker.hermes.events import Attachments, build_event, build_source
from hermes_router_worker.hermes.features import idle_agent, stickers
from hermes_router_worker.hermes.session import continuation
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.session import channel_context
from hermes_router_worker.session.progress import Progress
from hermes_router_worker.session.runs import Runs
from hermes_router_worker.startup.gateway_rules import note_allowed

logger = logging.getLogger(__name__)

#: Seconds for which a message waits for the agent that is built for it; then Hermes builds one.
_EXPECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionActions:
    """The functions of the session that the :class:`EventReceiver` calls.

    Attributes:
        adopt: takes over what an earlier worker of the session left. It is called once, with the
            first message: a worker that only expects one may end without it.
        wake: has Hermes begin the recurring prompts that are due in the session of a source.
        failed: reports to the gateway that Hermes raised this error when it was handed a message.
        clicked: is called when a click was carried out, which may have set something.
        left_out: tells people of an event that Hermes failed to take and that nobody else serves.
    """

    adopt: Callable[[], object]
    wake: Callable[[Any], Awaitable[None]]
    failed: Callable[[Exception], object]
    clicked: Callable[[], object]
    left_out: Callable[[Any], Awaitable[None]]


class EventReceiver:
    """Receives the messages of one session, and has the adapter handle them.

    It sets ``changed`` whenever a message has been handled, and ``finish`` when the worker must
    end. The session sets ``open`` to False before it ends: then each message is refused, and the
    gateway has another worker serve it. ``resumes`` is True once the gateway said that it stops,
    and that the next gateway continues the interrupted turn.
    """

    def __init__(
        self,
        link: Connection,
        adapter: Any,
        runs: Runs,
        progress: Progress,
        actions: SessionActions,
        *,
        changed: asyncio.Event,
        finish: asyncio.Event,
    ) -> None:
        self._link = link
        self._adapter = adapter
        self._runs = runs
        self._progress = progress
        self._actions = actions
        self._adopted = False
        self._changed = changed
        self._finish = finish
        self.open = True
        self.resumes = False
        #: Events that are prepared, and that Hermes has not got.
        self.coming: list[Any] = []
        self._handling = self._handing = 0
        self._preparing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def handling(self) -> bool:
        """Return True while a message, a click or a wake-up is on its way to Hermes.

        The worker must not end meanwhile.
        """
        return self._handling > 0

    def handing(self) -> bool:
        """Return True while the adapter's ``handle_message`` runs with a message.

        The session waits for its end before it interrupts: an earlier interrupt would miss the
        message.
        """
        return self._handing > 0

    async def read(self) -> None:
        """Receive what the gateway sends until the pipe ends; then set ``finish``.

        The session runs it as a task. A broken frame counts as the end of the pipe.

        Raises:
            Exception: a message could not be processed. The gateway has got a report, and
                ``finish`` is set.
        """
        attachments = Attachments(Path(os.environ["TMPDIR"]))
        try:
            while True:
                message = await self._link.receive()
                if isinstance(message, msg.Result):
                    self._link.answer(message)
                elif isinstance(message, msg.Chunk):
                    attachments.append(message)
                elif isinstance(message, msg.Event):
                    await self._take(message, attachments)
                elif isinstance(message, msg.Expect):
                    channel_context.take_overheard(
                        self._adapter.gateway_runner, build_source(message.source)
                    )
                    self._keep(self._expect(message))
                elif isinstance(message, msg.Resolve):
                    self._begin(self._resolve(message))
                elif isinstance(message, msg.Finish):
                    self.resumes = self.resumes or message.resume
                    self._finish.set()
        except (EndOfFrames, FrameError):
            self._link.close()
            self._finish.set()
        except Exception as error:
            # From now on nobody reads the pipe, so no turn can end well; the gateway must tell the
            # chat.
            await self._link.report(error)
            self._finish.set()
            raise

    def begin_queued(self, event: Any) -> None:
        """Hand Hermes a message that the session took out of Hermes's queue.

        Hermes would not begin it by itself: an earlier worker left it, or it was queued behind a
        turn that had just ended.
        """
        number = self._progress.take_again(event)
        self._begin(self._deliver(event, number, "a queued message"))

    async def _take(self, message: msg.Event, attachments: Attachments) -> None:
        """Accept a message or refuse it.

        The answer may have to wait for room in the pipe. The worker must not end meanwhile.
        """
        self._handling += 1
        try:
            await self._accept(message, attachments)
        finally:
            self._handling -= 1

    async def _accept(self, message: msg.Event, attachments: Attachments) -> None:
        if not self.open or self._finish.is_set():
            await self._link.send(msg.Refused(event=message.id))
            return
        if not self._adopted:
            self._adopted = True
            self._actions.adopt()
        if message.wake:
            await self._link.send(msg.Accepted(event=message.id))
            self._begin(self._wake(message))
            return
        event = build_event(message, attachments)
        if message.answer and not self._adapter.waits_for_answer(event):
            await self._link.send(msg.Refused(event=message.id))
            return
        runner = self._adapter.gateway_runner
        note_allowed(runner, event, message.allowed_commands)
        channel_context.take_overheard(runner, event.source)
        channel_context.apply_profile_settings(runner, event)
        self._progress.take(event, message.id)
        await self._link.send(msg.Accepted(event=message.id))
        self._begin(self._handle(message, event))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task; the worker must not end before the task is done."""
        self._handling += 1
        self._keep(work)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expect(self, message: msg.Expect) -> None:
        """Build the session's agent; a message that comes meanwhile waits for it, for a while."""
        runner = self._adapter.gateway_runner
        place = SimpleNamespace(
            source=build_source(message.source), channel_prompt=message.channel_prompt
        )
        async with self._preparing:
            try:
                channel_context.apply_profile_settings(runner, place)
                async with asyncio.timeout(_EXPECT_SECONDS):
                    await idle_agent.build(runner, place.source, place.channel_prompt)
                    await idle_agent.begin_relay()
            except TimeoutError:
                logger.warning("the session's agent was not built in %g s", _EXPECT_SECONDS)
            except Exception:
                logger.exception("a message is not prepared for")

    def _end(self) -> None:
        self._handling -= 1
        self._changed.set()

    async def _handle(self, message: msg.Event, event: Any) -> None:
        await self._deliver(event, message.id, f"event {message.id}", message.sticker)
        await self._progress.tell()
        halted = event.is_command() and self._runs.take_halted()
        with contextlib.suppress(OSError):
            await self._link.send(msg.Handled(event=message.id, halted=halted))

    async def _deliver(
        self, event: Any, number: int | None, what: str, sticker: msg.Sticker | None = None
    ) -> None:
        """Prepare a message and hand it to Hermes; not if this worker has to end meanwhile.

        ``number`` is the number that the gateway gave it, if it did.
        """
        self.coming.append(event)
        try:
            await self._prepare(event, what, sticker)
            if not self._finish.is_set():  # else another worker serves it
                await self._hand_over(event, number, what)
        finally:
            self._end()

    async def _hand_over(self, event: Any, number: int | None, what: str) -> None:
        """Have the adapter handle a message; if that fails, another worker has to serve it.

        The log then says that ``what`` failed. If the gateway does not know the message, so that no
        other worker gets it, people are told.
        """
        self.coming.remove(event)
        self._progress.begin(event)
        self._handing += 1
        taken = True
        try:
            if not continuation.was_continued(self._adapter.gateway_runner, event):
                await self._adapter.handle_message(event)
        except Exception as error:
            taken = False
            logger.exception("%s failed", what)
            self._actions.failed(error)
        finally:
            self._handing -= 1
        if number is not None and taken:
            self._progress.handed_over(number, command=event.is_command())
        elif number is not None:
            self._progress.not_taken(number)
        elif not (taken or self._progress.holds(event)):
            await self._actions.left_out(event)

    async def _prepare(self, event: Any, what: str, sticker: msg.Sticker | None) -> None:
        """Do what comes before a message is handled; if that fails, log it: the message goes on."""
        try:
            if event.get_command() and not idle_agent.used_by(event):
                return  # /stop, for one, must not wait
            # No turn begins while its session's agent is built, or before the message ahead of it.
            async with self._preparing:
                if sticker is not None:
                    await stickers.describe(event, sticker)
                await idle_agent.prepare(self._adapter.gateway_runner, event)
        except Exception:
            logger.exception("%s is handled without its preparation", what)

    async def _wake(self, message: msg.Event) -> None:
        """Have Hermes begin the recurring prompts that are due; not if this worker has to end."""
        try:
            source = build_source(message.source)
            async with self._preparing:
                pass
            if not self._finish.is_set():  # else they stay due
                await self._actions.wake(source)
        except Exception:
            logger.exception("the session's recurring prompts could not be checked")
        finally:
            self._end()
        with contextlib.suppress(OSError):
            await self._link.send(msg.Handled(event=message.id, halted=False))

    async def _resolve(self, message: msg.Resolve) -> None:
        try:
            resolved = await self._adapter.prompts.resolve(message)
            self._actions.clicked()
            with contextlib.suppress(OSError):
                await self._link.send(resolved)
        finally:
            self._end()
