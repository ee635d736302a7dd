"""A worker that is the enemy, without a process: whatever bytes a test writes, on real pipes.

Everything on the gateway's side is real: framing, turn, relay, prompts, spool, worker log. Made up
are the worker and the platform's adapter, which notes what it is called with.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio

from hermes_router.config.model import RouterConfig
from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import ADAPTER_METHODS
from hermes_router.relay import delivery_policy
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask, PromptRegistry
from hermes_router.relay.relay import MessageIds, Relay, RelayTarget
from hermes_router.routing import table
from hermes_router.turns.ports import TurnServices
from hermes_router.workers import pool
from hermes_router.workers.launchers import Child, LaunchSpec
from tests.kit.workers.made_up import NoPost, Scene

CHAT, THREAD, USER = "-100", "6", "7"
OWN_MESSAGE, FOREIGN_MESSAGE = "41", "42"
KEY = f"agent:main:telegram:group:{CHAT}:{THREAD}"
TABLE = table.RouteTable.index(())[0]
PROMPTS = frozenset(name for name, method in ADAPTER_METHODS.items() if method.kind == "prompt")


@dataclass(frozen=True)
class Called:
    """One call that the relay made of the adapter, with the bytes of the files in it."""

    method: str
    arguments: dict[str, Any]
    files: dict[str, bytes]


class Adapter:
    """An adapter that has every method of the table, and remembers its calls.

    ``result`` makes what a call returns; ``hold`` keeps calls from returning while it is not set.
    """

    def __init__(self) -> None:
        self.called: list[Called] = []
        self.at_once = 0
        self.most_at_once = 0
        self.hold: anyio.Event | None = None
        self.result: Callable[[], Any] = partial(SimpleNamespace, success=True, message_id="90")

    async def _note(self, method: str, arguments: dict[str, Any]) -> Any:
        paths = {
            name: Path(str(arguments[name]).removeprefix("file://"))
            for name in ADAPTER_METHODS[method].files
            if str(arguments.get(name)).startswith(("/", "file://"))
        }
        files = {name: path.read_bytes() for name, path in paths.items()}
        self.called.append(Called(method, arguments, files))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.hold is not None:
                await self.hold.wait()
            return self.result()
        finally:
            self.at_once -= 1


def _method(name: str) -> Callable[..., Any]:
    async def method(self: Adapter, **arguments: Any) -> Any:
        return await self._note(name, arguments)

    def plain_method(self: Adapter, **arguments: Any) -> None:
        self.called.append(Called(name, arguments, {}))

    return plain_method if ADAPTER_METHODS[name].sync else method


for _name, _row in ADAPTER_METHODS.items():
    if _row.crosses:
        setattr(Adapter, _name, _method(_name))


@dataclass
class Place(Scene):
    """A conversation with a real relay in front of a made-up adapter."""

    key: str = KEY
    adapter: Adapter = field(default_factory=Adapter)

    def __post_init__(self) -> None:
        self.target = RelayTarget(
            self.profile.name, CHAT, THREAD, frozenset({USER}), {}, MessageIds(), session=self.key
        )
        self.target.messages.add([OWN_MESSAGE])

    @property
    def sender(self) -> Sender:
        origin = table.Place(platform="telegram", chat_id=CHAT, thread_id=THREAD)
        return Sender(profile=self.profile.name, origin=origin)

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        relay = Relay(self.adapter, self.target)
        return await relay.execute(method, args, spool, partial(ask, key=self.key))

    def worker_ended(self) -> None:
        Relay(self.adapter, self.target).resume_typing()


Acts = Callable[["Hostile"], Awaitable[None]]


class Hostile:
    """The worker's end of the pipes, in the hand of the function that plays the worker."""

    def __init__(self, spec: LaunchSpec) -> None:
        self.pid = os.getpid()
        self.outbound_of_worker: int
        inbound_of_worker, self.outbound = os.pipe()
        self.inbound, self.outbound_of_worker = os.pipe()
        self._inbound_of_worker = inbound_of_worker
        self.spec = spec
        self.gone = anyio.Event()
        for end in (self._inbound_of_worker, self.outbound_of_worker):
            os.set_blocking(end, False)

    # -- what the gateway's side asks of a child ---------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.gone.is_set()

    async def wait(self) -> int | None:
        await self.gone.wait()
        return 0

    def send_signal(self, number: int) -> None:
        if not self.gone.is_set():
            self.gone.set()
            for end in (self._inbound_of_worker, self.outbound_of_worker):
                with contextlib.suppress(OSError, ValueError):
                    anyio.notify_closing(end)
                    os.close(end)

    def keep(self, other: Child) -> None:
        """Do nothing: a real worker would keep the other process until its own end."""

    # -- what the worker does ----------------------------------------------------------------------

    async def raw(self, data: bytes) -> None:
        """Write bytes; raises ``OSError`` when the gateway hangs up."""
        view = memoryview(data)
        while view:
            if self.gone.is_set():
                raise BrokenPipeError("killed")
            try:
                view = view[os.write(self.outbound_of_worker, view) :]
            except BlockingIOError:
                await anyio.wait_writable(self.outbound_of_worker)

    async def say(self, *messages: msg.Message) -> None:
        await self.raw(b"".join(framed(msg.encode(message)) for message in messages))

    async def hello(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "protocol": msg.PROTOCOL_VERSION,
            "router": "1",
            "hermes": "1",
            "python": "3",
            "pid": 1,
            "profile": self.spec.profile.name,
        }
        await self.say(msg.Hello(**(fields | changes)), msg.Ready(phases={}))

    async def hear(self) -> msg.ToWorker:
        """Return the next message; raises ``OSError`` when the gateway hangs up."""
        length = int.from_bytes(await self._read(4), "big")
        return msg.decode_to_worker(await self._read(length))

    async def hang_up(self) -> None:
        """Send nothing more, and read on until the gateway closes its end too."""
        os.close(self.outbound_of_worker)
        self.outbound_of_worker = -1
        with contextlib.suppress(BrokenPipeError):
            while True:
                await self._read(1)

    async def event(self) -> int:
        """Wait for a message of the session, and return its number."""
        while not isinstance(message := await self.hear(), msg.Event):
            pass
        return message.id

    async def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = os.read(self._inbound_of_worker, count - len(data))
            except BlockingIOError:
                await anyio.wait_readable(self._inbound_of_worker)
                continue
            if not more:
                raise BrokenPipeError("the gateway hung up")
            data += more
        return data


def framed(data: bytes) -> bytes:
    """Return bytes as a frame of the protocol: with their length in front."""
    return len(data).to_bytes(4, "big") + data


def play(acts: Acts, monkeypatch: Any) -> list[Hostile]:
    """Have ``acts`` play every worker that is started from now on; return who was started."""
    started: list[Hostile] = []

    async def act(worker: Hostile) -> None:
        with contextlib.suppress(OSError, anyio.ClosedResourceError):
            await acts(worker)
        worker.send_signal(9)

    async def launch(spec: LaunchSpec) -> Child:
        worker = Hostile(spec)
        worker.task = asyncio.create_task(act(worker))  # type: ignore[attr-defined]
        started.append(worker)
        return worker

    monkeypatch.setattr(pool, "launcher", lambda _name: launch)
    return started


class DeliveryService(NoPost):
    """Sends nothing; it asks the real policy, and notes where it would have sent."""

    def __init__(self) -> None:
        self.delivered: list[table.Place] = []

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        wanted = table.Place(
            platform=message.platform, chat_id=message.chat_id, thread_id=message.thread_id
        )
        self.delivered.append(
            delivery_policy.destination(RouterConfig(path=Path(), table=TABLE), sender, wanted)
        )
        for reference in message.files if isinstance(message, msg.Deliver) else ():
            spool.release(spool.claim(reference))
        return {"success": True}


def services() -> TurnServices:
    """Return the services for turns each of which starts a worker: none is prepared."""
    return TurnServices(
        workers=pool.WorkerPool({}, budget=0),
        delivery=DeliveryService(),
        registry=PromptRegistry(None, PROMPTS),
    )
