"""The pipe adapter: Hermes in a worker uses it as its platform.

Its class is built from the start message, because Hermes looks at the class to find out what a
platform can do. A method that the real adapter lacks must be missing here too, and a method that
the real adapter only inherits must be the base class's own. Every relayed method sends a call and
waits for the answer.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from hermes_router.protocol import messages as msg
from hermes_router.protocol.serialize import plain
from hermes_router.protocol.surface import (
    ADAPTER_METHODS,
    CAPABILITIES,
    LENGTH_FUNCTIONS,
    Capability,
    Method,
)
from hermes_router_worker.hermes.guards import dropped
from hermes_router_worker.hermes.guards.media import why_refused
from hermes_router_worker.hermes.sending.engine import NO_TOKEN
from hermes_router_worker.hermes.session import platforms, queues
from hermes_router_worker.hermes.session.answers import is_awaited
from hermes_router_worker.process.connection import CallFailed, Connection
from hermes_router_worker.send.engine import set_home
from hermes_router_worker.send.files import refuse_foreign
from hermes_router_worker.session.progress import Progress, note_files
from hermes_router_worker.session.prompts import Prompts, crossing
from hermes_router_worker.session.turn_mark import marked

logger = logging.getLogger(__name__)

#: The profile decides which users share a session, so its own configuration counts.
_PROFILE_DECIDES = frozenset({"group_sessions_per_user", "thread_sessions_per_user"})


def build_adapter(
    start: msg.Start,
    link: Connection,
    config: Any,
    progress: Progress,
    on_change: Callable[[], None],
) -> Any:
    """Return the pipe adapter for a session, and add its platform to the profile's config.

    ``config`` is the gateway config of the profile's runner. The adapter calls ``on_change`` in the
    event loop whenever a message has been processed to its end.
    """
    platform = platforms.platform_of(start.platform)
    settings = _platform_settings(start, config, platform)
    return _adapter_class(start)(settings, platform, link, progress, on_change)


def _platform_settings(start: msg.Start, config: Any, platform: Any) -> Any:
    settings = platforms.settings_of(config, platform)
    settings.enabled = True
    settings.token = NO_TOKEN
    for capability in CAPABILITIES.values():
        answer = start.capabilities.get(capability.name, capability.default)
        if capability.expose == "config" and hasattr(settings, capability.name):
            setattr(settings, capability.name, answer)
        elif capability.expose == "extra" and capability.name not in _PROFILE_DECIDES:
            settings.extra[capability.name] = answer
    set_home(settings, platform, start.delivery_scope)
    return settings


def _adapter_class(start: msg.Start) -> type[Any]:
    base = platforms.adapter_base()
    namespace: dict[str, Any] = {}
    for name, parameters in start.methods.items():
        method = ADAPTER_METHODS[name]
        namespace[name] = (
            _telling(method, base) if method.kind == "both" else _relayed(method, parameters)
        )
    for capability in CAPABILITIES.values():
        exposed = _exposed(capability, start.capabilities.get(capability.name, capability.default))
        if exposed is not None:
            namespace[capability.name] = exposed
    return type("PipeAdapter", (_Plumbing, base), namespace)


# -- methods -----------------------------------------------------------------------------------


def _relayed(method: Method, parameters: list[str]) -> Callable[..., Any]:
    async def relayed(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(method.params, args, strict=False)) | kwargs
        return await self.relay(method, named)

    relayed.__name__ = method.name
    relayed.__signature__ = _signature(parameters)  # type: ignore[attr-defined]
    return relayed


def _telling(method: Method, base: Any) -> Callable[..., Any]:
    """Return a method that calls the base class's own, and also tells the real adapter."""
    inherited = getattr(base, method.name, None)

    def telling(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(method.params, args, strict=False)) | kwargs
        self.tell(method, named)
        return inherited(self, *args, **kwargs) if inherited is not None else None

    telling.__name__ = method.name
    return telling


def _signature(parameters: list[str]) -> inspect.Signature:
    """Return a signature with these names: Hermes checks for some of them before it passes them."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter("self", kind)]
    names += [inspect.Parameter(name, kind, default=None) for name in parameters]
    return inspect.Signature(names)


class _Plumbing:
    """What every pipe adapter has besides the methods of its platform.

    It is mixed in before Hermes's ``BasePlatformAdapter``. That class cannot be named here: to
    import it before the profile is set would keep another profile's paths.
    """

    def __init__(
        self,
        settings: Any,
        platform: Any,
        link: Connection,
        progress: Progress,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(settings, platform)  # type: ignore[call-arg]
        self._link = link
        self._progress = progress
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._telling: set[asyncio.Task[Any]] = set()
        self._running = True
        self.prompts = Prompts(self)

    async def connect(self, **_options: Any) -> bool:
        """Do nothing: the platform is connected in the gateway."""
        return True

    async def disconnect(self) -> None:
        """Do nothing: the gateway owns the connection."""

    async def relay(self, method: Method, named: dict[str, Any]) -> Any:
        """Call ``method`` of the real adapter and return its result as Hermes expects it."""
        if method.kind == "prompt":
            return await self._show(method, named)
        if method.name == "send" and named.get("content"):
            named = named | {"content": marked(named["content"])}
        return await self._call(method, named)

    async def _show(self, method: Method, named: dict[str, Any]) -> Any:
        """Show a prompt; a click may come before the answer to the call."""
        number = self._link.number()
        self.prompts.remember(number, method, named)
        shown = False
        try:
            result = await self._call(method, crossing(method, named), number)
            shown = bool(getattr(result, "success", False))
            return result
        finally:
            if not shown:
                self.prompts.forget(number)

    async def _call(self, method: Method, named: dict[str, Any], number: int | None = None) -> Any:
        args = {name: value for name, value in named.items() if value is not None}
        for name, shape in method.files.items():
            if name in args:
                args[name] = await _carried(self._link, args[name], shape)
        try:
            answers = self._progress.answered_by(method.name, args)
            value = await self._link.call(method.name, plain(args), number, answers=answers)
        except CallFailed as error:
            if not error.refused:
                raise
            logger.warning("%s", error)
            value = {"success": False, "error": str(error), "error_kind": "forbidden"}
        return _result(method, value)

    def tell(self, method: Method, named: dict[str, Any]) -> None:
        """Send a call without waiting for its answer; may be used from any thread."""
        self._loop.call_soon_threadsafe(self._start_telling, method, named)

    def _start_telling(self, method: Method, named: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self.relay(method, named))
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[Any]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("a call that nobody waits for failed: %r", task.exception())

    @staticmethod
    def extract_media(content: str) -> Any:
        """Return the files that an answer names, and its text, as Hermes does; note the files."""
        found = platforms.adapter_base().extract_media(content)
        note_files(found[0])
        return found

    def waits_for_answer(self, event: Any) -> bool:
        """Say whether the session waits for a person, and ``event`` is the answer."""
        runner = self.gateway_runner  # type: ignore[attr-defined]
        return is_awaited(runner, queues.session_key(runner, event.source), event)

    async def _process_message_background(self, event: Any, session_key: str) -> None:
        late = functools.partial(self._tell_later, event)
        try:
            with self._progress.processing(event):
                with dropped.collected(late) as found:
                    await super()._process_message_background(  # type: ignore[misc]
                        event, session_key
                    )
                if text := found.take():
                    await self._tell(event, text)
        finally:
            self._loop.call_soon(self._on_change)

    async def _tell(self, event: Any, text: str) -> None:
        """Send a text to the place that a message came from."""
        metadata = platforms.thread_metadata(event.source)
        await self.send(event.source.chat_id, text, metadata=metadata)  # type: ignore[attr-defined]

    def _tell_later(self, event: Any, text: str) -> None:
        task = asyncio.ensure_future(self._tell(event, text))
        queues.deliver_beside(self, task)


async def _carried(link: Connection, value: Any, shape: str) -> Any:
    """Return a file parameter for the pipe: a web address as text, a file as sent bytes."""
    if shape == "url_batch":
        return [[await _carried(link, url, "url"), alt] for url, alt in value]
    text = str(value)
    if shape == "url" and text.startswith(("http://", "https://")):
        return text
    path = urllib.parse.unquote(text[len("file://") :]) if text.startswith("file://") else text
    try:
        refuse_foreign(Path(path))
        return {"$file": to_builtins(await link.send_file(path))}
    except OSError:
        dropped.note(path, why_refused(path))
        raise


def _result(method: Method, value: Any) -> Any:
    if method.result == "send_result":
        fields = {"success": False} | (value or {})
        if "continuation_message_ids" in fields:
            fields["continuation_message_ids"] = tuple(fields["continuation_message_ids"])
        return platforms.send_result(**fields)
    if method.result == "bool":
        return value is True
    return None if method.result == "none" else value


# -- capabilities ------------------------------------------------------------------------------


def _exposed(capability: Capability, answer: Any) -> Any:
    """Return the class attribute for a capability, or None if the class needs none."""
    if capability.name == "message_len_fn":
        answer = LENGTH_FUNCTIONS.get(str(answer), len)
    if capability.name == "platform":
        return None  # an attribute of the instance
    match capability.expose:
        case "attribute":
            return answer
        case "property":
            return property(lambda _self: answer)
        case "method":
            return staticmethod(lambda *_args, **_kwargs: answer)  # Hermes calls some on the class
        case _:
            return None
