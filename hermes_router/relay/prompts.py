"""Prompts that wait for a person: show a worker's question, and pass the click back to the worker.

The worker waits for an answer, but the click arrives in the gateway. The real adapter remembers a
prompt by a session key, a prompt id or a callback. This module makes these values: each prompt has
a random id of its own, and a click names exactly one prompt. A worker cannot choose the id, so it
cannot answer another worker's prompt. The worker is told about a click by the number of its call.

:class:`PromptRegistry` knows every open prompt of a gateway, :class:`OpenPrompts` those of one
worker. A prompt closes when somebody clicks, when the worker says that it waits no more, and when
the worker ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from hermes_router.base.errors import ProtocolError, RelayRefused
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import PICKER_FIELDS, Method

logger = logging.getLogger(__name__)

#: Maximum number of open prompts of one worker. A further prompt closes the oldest.
MAX_OPEN = 32
#: Seconds that the adapter gets to show a prompt. Hermes waits 15 s and then asks by text.
SHOW_SECONDS = 12.0
#: Seconds that a click in a picker waits for the worker's text.
PICK_SECONDS = 30.0
#: The same for a confirmation. It is shorter, because an adapter may handle one click after the
#: other. A text that comes later is sent by :attr:`OpenPrompts.late`.
CONFIRM_SECONDS = 5.0
#: Maximum number of characters of a worker's text that are shown.
MAX_TEXT = 16_384

_MAX_ITEMS = 1000
_MAX_FIELD = 512

_TOKEN = re.compile(r":hr[0-9a-f]{12}\Z")

Send = Callable[[msg.Message], Awaitable[None]]
Refuses = Callable[[str], str | None]
"""Returns why the user with this id may not use the prompt's command; None if the user may."""

MayAnswer = Callable[[str], bool]
"""Returns True if the user with this id is among those who are asked."""

Ask = Callable[..., Awaitable[Any]]
"""``ask(adapter, method, arguments, key=..., refuses=..., may_answer=...)`` shows one prompt."""


class ClickTables(Protocol):
    """Hermes's tables in the gateway, in which its code for a click looks for an open prompt.

    :class:`PromptRegistry` calls both methods.
    """

    def opened(self, prompt: Prompt) -> None:
        """Enter a prompt into these tables, before it is shown.

        If this raises, the worker's call that shows the prompt fails.
        """

    def closed(self, prompt: Prompt) -> None:
        """Remove a prompt from these tables, so that a later click is answered: it is too late.

        This may be called more than once for a prompt.
        """


@dataclass(eq=False, slots=True)
class Prompt:
    """A question with buttons that a worker has asked in a chat and that nobody has answered yet.

    An adapter keeps a session key and an id with each question. It is given ``token`` and ``id``
    instead of the worker's, so that an answer is known to be this prompt's. ``call`` is the id of
    the worker's call, which waits for the answer.
    """

    id: str
    token: str
    method: str
    call: int
    adapter: Any
    owner: OpenPrompts
    refuses: Refuses
    arguments: Mapping[str, Any] = field(default_factory=dict)
    may_answer: MayAnswer = lambda _user: True
    message: str = ""
    """The id of the message that shows the prompt, as soon as the adapter has returned it."""


def is_token(name: object) -> bool:
    """Return True if a session key is the token of a prompt, an open or a closed one.

    By it, Hermes's tables of pickers tell the router's prompts from the gateway's own.
    """
    return isinstance(name, str) and _TOKEN.search(name) is not None


#: The methods whose prompts make the turn wait until a person answers.
_HOLDING = frozenset({"send_exec_approval", "send_clarify"})


class PromptRegistry:
    """All open prompts of a gateway, of all workers.

    ``methods`` are the adapter methods whose clicks the gateway can pass back. A prompt of another
    method is refused, and Hermes in the worker asks by text instead.
    """

    def __init__(
        self, tables: ClickTables | None = None, methods: frozenset[str] = frozenset()
    ) -> None:
        self.tables = tables
        self.methods = methods
        self._open: dict[str, Prompt] = {}

    def find(self, name: object) -> Prompt | None:
        """Return the open prompt with this token or id, or None.

        The router's patches of Hermes's code for a click call this with what the adapter has kept.
        """
        return self._open.get(name) if isinstance(name, str) else None

    def shown_by(self, adapter: Any, chat_id: object, message_id: object) -> Prompt | None:
        """Return the open prompt that a message in an adapter's chat shows, or None.

        ``chat_id`` and ``message_id`` are compared as texts.
        """
        wanted = str(chat_id), str(message_id)
        return next(
            (
                prompt
                for prompt in self._open.values()
                if prompt.adapter is adapter
                and (str(prompt.arguments.get("chat_id")), prompt.message) == wanted
            ),
            None,
        )

    def add(self, prompt: Prompt) -> None:
        """Register an open prompt, so that :meth:`find` and Hermes's code for a click find it.

        If Hermes's tables cannot take it, the error is raised, and the prompt is not shown.
        """
        self._open[prompt.id] = self._open[prompt.token] = prompt
        if self.tables is not None:
            self.tables.opened(prompt)

    def remove(self, prompt: Prompt) -> None:
        """Forget a prompt: :meth:`find` and Hermes's code for a click do not find it any more.

        If the adapter stores the prompt only after that, call this again. This never raises.
        """
        self._open.pop(prompt.id, None)
        self._open.pop(prompt.token, None)
        if self.tables is None:
            return
        try:
            self.tables.closed(prompt)
        except Exception:
            logger.exception("prompt %s could not be removed", prompt.id)


class OpenPrompts:
    """The open prompts of one worker: shows them, and sends people's answers to the worker.

    It is used in the gateway's event loop. ``send`` sends a message to the worker, and raises
    ``OSError`` if the worker is gone. ``late`` sends a text of the worker into the conversation, if
    it came too late for its click. ``when_waiting`` is called with True when the turn begins to
    wait for a person, and with False when it goes on.
    """

    def __init__(
        self, registry: PromptRegistry, send: Send, late: Callable[[str], Awaitable[object]]
    ) -> None:
        self.late = late
        self.when_waiting: Callable[[bool], None] = lambda _waits: None
        self._waits = False
        self._registry = registry
        self._send = send
        self._open: dict[int, Prompt] = {}
        self._numbers = itertools.count(1)
        self._last = 0
        self._waiting: dict[int, asyncio.Future[str | None]] = {}
        self._tasks = BackgroundTasks()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waits(self) -> bool:
        """True while the turn waits for a person to answer an approval or a question.

        Other open prompts, such as pickers, make no turn wait.
        """
        return self._waits

    # -- showing -------------------------------------------------------------------------------

    async def ask(
        self,
        call: int,
        adapter: Any,
        method: Method,
        arguments: Mapping[str, Any],
        *,
        key: str,
        refuses: Refuses = lambda _user: None,
        may_answer: MayAnswer = lambda _user: True,
    ) -> Any:
        """Show a prompt on the real adapter, and return the result of the adapter's method.

        The prompt stays open after that, until somebody answers. ``call`` is the number of the
        worker's call. ``key`` is the gateway's own session key of the conversation: adapters read
        chat and user from it. ``refuses`` says who may not use the prompt's command; ``may_answer``
        says whose question it is.

        Raises:
            RelayRefused: this gateway cannot pass the click back, or the worker is leaving.
            TimeoutError: the adapter did not show the prompt within 12 s.
        """
        if method.name not in self._registry.methods or self._ended or call in self._open:
            raise RelayRefused(f"{method.name} cannot be asked now", call=method.name)
        self._loop = asyncio.get_running_loop()
        # A button may carry the id, and some platforms allow only 64 bytes there.
        number = f"hr{secrets.token_hex(6)}"
        prompt = Prompt(number, f"{key}:{number}", method.name, call, adapter, self, refuses)
        prompt.may_answer = may_answer
        prompt.arguments = self._rewritten(method, arguments, prompt)
        self._make_room()
        self._open[call] = prompt
        self._tell_whether_waiting()
        shown = False
        try:
            self._registry.add(prompt)
            with anyio.fail_after(SHOW_SECONDS):
                value = getattr(adapter, method.name)(**prompt.arguments)
                result = await value if inspect.isawaitable(value) else value
            shown = bool(getattr(result, "success", False))
            prompt.message = str(getattr(result, "message_id", None) or "")
            return result
        finally:
            # If it was closed meanwhile, close it again: the adapter has just stored it.
            if not shown or self._open.get(call) is not prompt:
                self._close(prompt)

    def _rewritten(
        self, method: Method, arguments: Mapping[str, Any], prompt: Prompt
    ) -> dict[str, Any]:
        changed = dict(arguments)
        for name in set(method.rewrites) & set(arguments):
            match method.rewrites[name]:
                case "session_token":
                    changed[name] = prompt.token
                case "prompt_id":
                    changed[name] = prompt.id
                case "callback":
                    changed[name] = _picked(prompt)
                case "plain_dicts":
                    changed[name] = _items(method, arguments[name])
        if method.name == "send_clarify" and changed.get("choices") is not None:
            changed["choices"] = _texts(changed["choices"])
        return changed

    def _make_room(self) -> None:
        while len(self._open) >= MAX_OPEN:
            self._close(next(iter(self._open.values())))

    # -- answers -------------------------------------------------------------------------------

    def answer(self, prompt: Prompt, *answer: str, typed: bool = False) -> bool:
        """Send a person's answer to the worker and close the prompt; do not wait.

        Hermes's code for a click leads here, in any thread. Returns False if the prompt was closed
        before: then nothing is sent. An empty ``answer`` means that the person has cancelled. With
        ``typed`` the person will type the answer, so the prompt stays open.
        """
        if self._loop is None or self._registry.find(prompt.id) is not prompt:
            return False
        if not typed:
            self._close(prompt)
        message = self._resolve(prompt, answer, typed=typed)
        self._loop.call_soon_threadsafe(self._tasks.start, self._pass_on(message))
        return True

    async def confirmed(self, prompt: Prompt, choice: str) -> str | None:
        """Send a person's choice in a confirmation to the worker, and wait for the worker's text.

        Returns the text to show in the chat; None if there is none, the prompt was closed before,
        or the worker takes longer than 5 s. A text that comes later is sent by ``late``.

        Raises:
            RuntimeError: the worker's own callback failed; the text says why.
        """
        if self._registry.find(prompt.id) is not prompt:
            return None
        self._close(prompt)
        outcome = self._tasks.start(self._waited_for(prompt, (choice,)))
        done, _ = await asyncio.wait({outcome}, timeout=CONFIRM_SECONDS)
        if not done:
            self._tasks.start(self._show_late(outcome))
            return None
        try:
            return outcome.result()
        except PromptGone:
            return None

    async def picked(self, prompt: Prompt, answer: Sequence[object]) -> str:
        """Send a person's choice in a picker to the worker; wait for the worker's text, return it.

        Raises:
            PromptGone: the worker waits no more, is gone, or did not answer within 30 s.
            RuntimeError: the worker's own callback failed; the text says why.
        """
        if self._registry.find(prompt.id) is not prompt:
            raise PromptGone("this prompt has expired")
        with anyio.move_on_after(PICK_SECONDS):
            texts = tuple(str(item)[:_MAX_FIELD] for item in answer)
            return await self._waited_for(prompt, texts) or ""
        raise PromptGone("the assistant did not answer in time")

    async def _waited_for(self, prompt: Prompt, answer: tuple[str, ...]) -> str | None:
        self._close(prompt)
        message = self._resolve(prompt, answer)
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[message.id] = waiting
        try:
            await self._send(message)
            if self._ended:
                raise PromptGone("the assistant has ended")
            return await waiting
        except OSError as error:
            raise PromptGone("the assistant has ended") from error
        finally:
            self._waiting.pop(message.id, None)

    async def _show_late(self, outcome: asyncio.Task[str | None]) -> None:
        try:
            text = await outcome
            if text:
                await self.late(text)
        except PromptGone:
            pass  # the turn reports the end of its worker
        except Exception:
            logger.exception("a late answer could not be sent")

    def _resolve(
        self, prompt: Prompt, answer: Sequence[str], *, typed: bool = False
    ) -> msg.Resolve:
        self._last = next(self._numbers)
        return msg.Resolve(id=self._last, call=prompt.call, answer=list(answer), typed=typed)

    async def _pass_on(self, message: msg.Resolve) -> None:
        with contextlib.suppress(OSError):  # the turn reports the end of its worker
            await self._send(message)

    # -- what the worker says ------------------------------------------------------------------

    def note(self, message: msg.Resolved | msg.Closed) -> None:
        """Handle a worker's message that answers a click, or that says: this prompt is closed.

        The worker session calls this. The answer goes to the call of :meth:`confirmed` or
        :meth:`picked` that waits for it.

        Raises:
            ProtocolError: the worker answers a click that was never sent.
        """
        if isinstance(message, msg.Closed):
            prompt = self._open.get(message.call)
            if prompt is not None:
                self._close(prompt)
            return
        if message.id > self._last:
            raise ProtocolError(f"the worker resolved {message.id}, which nobody clicked")
        waiting = self._waiting.get(message.id)
        if waiting is None or waiting.done():
            return
        if message.error is not None:
            waiting.set_exception(RuntimeError(message.error[:_MAX_FIELD]))
        else:
            waiting.set_result(message.value and message.value[:MAX_TEXT])

    def end(self) -> None:
        """Close all prompts, because the worker will answer no click any more.

        Callers of :meth:`confirmed` and :meth:`picked` that wait for the worker go on. :meth:`ask`
        then refuses.
        """
        self._ended = True
        for prompt in list(self._open.values()):
            self._close(prompt)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(PromptGone("the assistant has ended"))

    # -- internals -----------------------------------------------------------------------------

    def _close(self, prompt: Prompt) -> None:
        if self._open.get(prompt.call) is prompt:
            del self._open[prompt.call]
            self._tell_whether_waiting()
        self._registry.remove(prompt)

    def _tell_whether_waiting(self) -> None:
        """Call ``when_waiting`` if the turn now begins or ends to wait; from any thread."""
        waits = any(prompt.method in _HOLDING for prompt in list(self._open.values()))
        if waits is not self._waits and self._loop is not None:
            self._waits = waits
            self._loop.call_soon_threadsafe(self.when_waiting, waits)


class PromptGone(Exception):
    """A person's answer comes too late: the worker that asked does not wait for it any more."""


def _picked(prompt: Prompt) -> Callable[..., Awaitable[str]]:
    """Return the callback for an adapter's picker: it passes the choice to the worker."""

    async def picked(_chat_id: object, *answer: object, **more: object) -> str:
        return await prompt.owner.picked(prompt, (*answer, *more.values()))

    return picked


def _items(method: Method, value: object) -> list[dict[str, Any]]:
    """Return the rows of a picker with the known fields only.

    Raises:
        RelayRefused: the worker's value is no list of mappings.
    """
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise RelayRefused(f"{method.name} takes a list of mappings", call=method.name)
    return [
        {name: _plain(item[name]) for name in sorted(PICKER_FIELDS & set(item))}
        for item in value[:_MAX_ITEMS]
    ]


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return _texts(value)
    return value if value is None or isinstance(value, bool | int) else str(value)[:_MAX_FIELD]


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    return [str(item)[: 4 * _MAX_FIELD] for item in value[:_MAX_ITEMS]]
