"""A worker's real Hermes without a gateway: its messages on a pipe, the platform made up.

A template of the profile imports Hermes once; each turn is a worker that it forks, as in a gateway.
The test is the gateway: it sends the session's messages, sees each adapter call, and answers it.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from hermes_router.base.errors import TemplateUnfit
from hermes_router.hermes.compat.events import inbound_of, source_fields
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.capabilities import ask_capabilities, method_parameters
from hermes_router.workers.launchers import local
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.template import Template
from hermes_router.workers.worker_log import WorkerLog
from tests.kit.roots.homes import HermesRoot
from tests.kit.telegram.types import FORUM, USER

SECONDS = 120.0
"""How long anything of a worker may take."""

_numbers = itertools.count(1)


class WorkerKit:
    """Workers of one profile. Use it as a context manager."""

    def __init__(self, root: HermesRoot, profile: str) -> None:
        home = root.profiles[profile].path
        self.profile = Profile(profile, home)
        self.home = home
        self.forks = False
        self._order = WorkerOrder(
            profile=self.profile,
            launch=local.launch,
            initial=root.gateway_environ(),
            passed=("NO_PROXY", "HERMES_TELEGRAM_DISABLE_FALLBACK_IPS"),
            log=WorkerLog(home / "logs", max_bytes=10_000_000, backups=1),
            grace=2.0,
        )
        self._template: Template | None = None
        self._portal: BlockingPortal
        self._closing = contextlib.ExitStack()
        self._adapter = _real_adapter()

    def __enter__(self) -> Self:
        self._portal = self._closing.enter_context(start_blocking_portal("asyncio"))
        with contextlib.suppress(TemplateUnfit):  # workers are started cold then, as in a gateway
            self._template = self._portal.call(Template.start, self._order)
            self._closing.callback(self._portal.call, self._template.retire)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def place(self, thread: int) -> Place:
        """Return a topic of the forum, which is a session of its own."""
        return Place(self, str(thread))

    @property
    def log(self) -> str:
        """What the workers printed."""
        return self._order.log.path.read_text("utf-8", "replace")

    # -- used by turns -------------------------------------------------------------------------

    def start(self) -> WorkerProcess:
        """Start a worker: from the template if there is one, else cold. Returns it."""
        launch = self._template.launch if self._template is not None else None
        worker: WorkerProcess = self.call(lambda: start_worker(self._order, launch=launch))
        return worker

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in the event loop of the workers, within the time limit."""

        async def limited() -> Any:
            with anyio.fail_after(SECONDS):
                return await function(*args)

        return self._portal.call(limited)

    def begin(self, function: Callable[..., Any], *args: Any) -> Any:
        """Start a coroutine function as a task in the workers' event loop; do not wait for it."""
        return self._portal.start_task_soon(function, *args)

    def start_message(self, source: Any) -> msg.Start:
        """Return the start message that a gateway with a real Telegram adapter would send.

        `source` says which session it is.
        """
        fields = dict(source_fields(source))
        origin = msg.Place(
            platform="telegram", chat_id=str(source.chat_id), thread_id=source.thread_id
        )
        build_key = importlib.import_module("gateway.session").build_session_key
        return msg.Start(
            turn=f"test-{next(_numbers)}",
            session_key=build_key(source),
            platform="telegram",
            methods=method_parameters(self._adapter),
            capabilities=ask_capabilities(self._adapter, fields),
            heartbeat=1.0,
            linger=10.0,
            delivery_scope=msg.DeliveryScope(platforms=["telegram"], origin=origin, homes=[origin]),
        )


def _real_adapter() -> Any:
    config = importlib.import_module("gateway.config")
    module = importlib.import_module("plugins.platforms.telegram.adapter")
    return module.TelegramAdapter(config.PlatformConfig(enabled=True, token="1:x"))


@dataclass
class Place:
    """A topic, in which one user writes."""

    kit: WorkerKit
    thread: str
    own_words: str | None = None
    """What the adapter itself says of the place."""

    def say(self, text: str) -> Turn:
        """Send a message to a new worker and return the turn, which goes on."""
        turn = Turn(self)
        turn.say(text)
        return turn

    def ask(self, text: str) -> str:
        """Send a message to a new worker; return all that it says, when it is gone."""
        turn = self.say(text)
        turn.wait_gone()
        return turn.said

    def event(self, text: str, files: Mapping[Path, str]) -> Any:
        """Return the message as Hermes's adapter would hand it on."""
        base = importlib.import_module("gateway.platforms.base")
        command = text.startswith("/")
        return base.MessageEvent(
            text=text,
            message_type=base.MessageType.COMMAND if command else base.MessageType.TEXT,
            source=self.source(),
            message_id=str(1000 + next(_numbers)),
            media_urls=[str(path) for path in files],
            media_types=list(files.values()),
        )

    def source(self) -> Any:
        """Return where the messages are."""
        session = importlib.import_module("gateway.session")
        platform = importlib.import_module("gateway.config").Platform("telegram")
        return session.SessionSource(
            platform=platform,
            chat_id=str(FORUM),
            chat_type="group",
            chat_name="forum",
            user_id=str(USER),
            user_name="user",
            thread_id=self.thread,
        )


@dataclass
class Turn:
    """One worker, and the messages that it has sent."""

    place: Place
    calls: list[msg.Call] = field(default_factory=list)
    messages: list[msg.FromWorker] = field(default_factory=list)
    returncode: int | None = None

    def __post_init__(self) -> None:
        kit = self.place.kit
        self._changed = threading.Condition()
        self._gone = False
        self._worker = kit.start()
        self._messages_sent = itertools.count(1)
        start = kit.start_message(self.place.source())
        self.turn_id = start.turn
        self._send(start)
        kit.begin(self._read)

    def say(self, text: str, files: Mapping[Path, str] | None = None) -> None:
        """Hand the worker a message."""
        event = self.place.event(text, files or {})
        inbound = inbound_of(event, channel_prompt=self.place.own_words)
        sent = [self._send_file(path) for path in inbound.files]
        self._send(
            msg.Event(
                id=next(self._messages_sent),
                fields=dict(inbound.fields),
                source=dict(inbound.source),
                files=sent,
            )
        )

    def _send_file(self, path: Path) -> msg.FileRef:
        data, stream = path.read_bytes(), next(_numbers)
        self._send(msg.Chunk(stream=stream, data=data))
        return msg.FileRef(stream=stream, name=path.name, size=len(data))

    def wake(self) -> None:
        """Have the worker look which recurring prompts of the session are due."""
        source = dict(source_fields(self.place.source()))
        number = next(self._messages_sent)
        self._send(msg.Event(id=number, wake=True, fields={}, source=source, files=[]))

    def expect(self) -> None:
        """Tell the worker that a message is about to come."""
        source, words = self.place.source(), self.place.own_words
        self._send(msg.Expect(source=dict(source_fields(source)), channel_prompt=words))

    def click(self, prompt: msg.Call, *answer: str, typed: bool = False) -> msg.Resolved:
        """Answer a prompt that the worker showed, as a person would; return the worker's answer.

        With `typed` the person will type the answer.
        """
        number = next(_numbers)
        self._send(msg.Resolve(id=number, call=prompt.id, answer=list(answer), typed=typed))
        found: msg.Resolved = self.wait_message(
            lambda one: isinstance(one, msg.Resolved) and one.id == number
        )
        return found

    # -- what it did ---------------------------------------------------------------------------

    @property
    def said(self) -> str:
        """All texts that people saw, a line for each."""
        texts = (call.args.get("content") or call.args.get("text") for call in self.calls)
        return "\n".join(str(text) for text in texts if text)

    def wait_call(self, method: str, contains: str = "") -> msg.Call:
        """Return the first call of a method, whose arguments contain a text."""

        def found() -> msg.Call | None:
            return next(
                (one for one in self.calls if one.method == method and contains in str(one.args)),
                None,
            )

        call: msg.Call = self._wait(found, f"a call of {method} with {contains!r}")
        return call

    def wait_message(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message of the worker that is wanted."""
        return self._wait(lambda: next(filter(wanted, self.messages), None), "a message")

    def wait_gone(self) -> None:
        """Wait until the worker has exited."""
        self._wait(lambda: self._gone or None, "the worker's end")

    def finish(self) -> None:
        """Tell the worker to end when its answer is there, and wait until it is gone."""
        self.wait_message(lambda one: isinstance(one, msg.Idle))
        self._send(msg.Finish(reason="the test is over"))
        self.wait_gone()

    def stop(self) -> None:
        """Tell the worker to end because the gateway stops, and wait until it is gone."""
        self._send(msg.Finish(reason="the gateway stops", resume=True))
        self.wait_gone()

    def kill(self) -> None:
        """End the worker in the middle of what it does, and wait until it is gone."""
        os.kill(self._worker.pid, signal.SIGKILL)
        self.wait_gone()

    def _wait(self, probe: Callable[[], Any], what: str) -> Any:
        with self._changed:
            self._changed.wait_for(
                lambda: probe() is not None or (self._gone and what), timeout=SECONDS
            )
            result = probe()
        if result is None:
            log = self.place.kit.log[-3000:]
            raise TimeoutError(f"no {what}; it said {self.said!r}; the log ends:\n{log}")
        return result

    # -- the gateway's part --------------------------------------------------------------------

    def _send(self, message: msg.Message) -> None:
        self.place.kit.call(self._worker.send, message)

    async def _read(self) -> None:
        try:
            async for message in self._worker.messages():
                with self._changed:
                    self.messages.append(message)
                    if isinstance(message, msg.Call):
                        self.calls.append(message)
                    self._changed.notify_all()
                if isinstance(message, msg.Request):
                    await self._worker.send(msg.Result(call=message.id, value=_answer(message)))
        finally:
            self.returncode = await self._worker.end(patience=10.0)
            with self._changed:
                self._gone = True
                self._changed.notify_all()


def _answer(request: msg.Request) -> Any:
    """Return what a platform where everything works would answer."""
    if isinstance(request, msg.Call) and request.method == "get_chat_info":
        return {"name": "forum", "type": "group", "chat_id": request.args.get("chat_id")}
    return {"success": True, "message_id": message_of(request)}


def message_of(request: msg.Request) -> str:
    """Return the id that the kit gives to the message which a call has sent."""
    return str(5000 + request.id)
