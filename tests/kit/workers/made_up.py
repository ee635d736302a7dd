"""What a turn needs that is served without Hermes: made-up workers and conversations.

The processes, pipes and supervisors are real. A worker is a script, which begins with `PRELUDE`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import RelayRefused
from hermes_router.config.settings import Settings
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.ports import Conversation, DeliveryService, TurnServices
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.workers import pool
from hermes_router.workers.launchers import Child, LaunchSpec, local
from hermes_router.workers.pool import WorkerPool

# Frames in, frames out, and the usual first message.
PRELUDE = """
import os, sys, time, signal
import msgspec
from hermes_router.protocol import messages as msg
def frame(data): return len(data).to_bytes(4, "big") + data
def raw(data): os.write(1, data)
def say(message): raw(frame(msg.encode(message)))
def hello(**changes):
    fields = dict(protocol=msg.PROTOCOL_VERSION, router="1", hermes="1", python="3",
                  pid=os.getpid(), profile="career")
    say(msg.Hello(**(fields | changes)))
def read(count):
    data = b""
    while len(data) < count:
        more = os.read(0, count - len(data))
        if not more: sys.exit(0)
        data += more
    return data
def hear(): return msg.decode_to_worker(read(int.from_bytes(read(4), "big")))
def event():
    while True:
        message = hear()
        if isinstance(message, msg.Event): return message
"""
ANSWER = """
hello(); say(msg.Ready(phases={}))
got = event(); say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
"""

QUICK = replace(
    Settings(),
    timeouts=replace(Settings().timeouts, start=20.0, stop=1.0, silence=20.0),
)


@dataclass
class Scene(Conversation):
    """A conversation that notes what it is called with; ``told`` are outcomes of messages."""

    profile: Profile
    key: str = "agent:main:telegram:group:-100:6"
    notices: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    works: tuple[str, tuple[str, ...]] = ("", ())
    workers_ended: int = 0
    offers: list[msg.Commands] = field(default_factory=list)

    @property
    def sender(self) -> Sender:
        return Sender(profile=self.profile.name)

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start:
        return msg.Start(
            turn=turn_id,
            session_key=self.key,
            platform="telegram",
            methods={},
            capabilities={},
            heartbeat=heartbeat,
            linger=linger,
            delivery_scope=delivery_scope,
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        self.calls.append((method, args))
        if method == "forbidden":
            raise RelayRefused("no", call=method)
        return {"method": method}

    def offered(self, offers: msg.Commands) -> None:
        self.offers.append(offers)

    def worker_ended(self) -> None:
        self.workers_ended += 1

    async def notify(self, text: str) -> bool:
        self.notices.append(text)
        return True

    async def tell(self, text: str) -> None:
        self.told.append(text)
        await self.notify(text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        self.works = (turn_id, tuple(works))

    def note_wakeup(self, at: float | None) -> None:
        self.wakeup = at


class NoPost(DeliveryService):
    """A delivery service that sends nothing."""

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:
        return msg.DeliveryScope()

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        raise RelayRefused("not there", call="deliver", target=message.chat_id)

    def note_delivered(self, profile: str, sent: list[msg.DeliveredText]) -> None:
        pass


HOST = TurnServices(workers=WorkerPool(dict(os.environ), budget=0), delivery=NoPost())


def command(script: str) -> list[str]:
    """Return the command that runs a worker's script inside the real supervisor."""
    supervise = "from hermes_router_worker.process.supervisor import supervise\nsupervise(1.0)\n"
    return [sys.executable, "-P", "-c", supervise + script]


def start_as(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every launch from now on start this script, after the prelude."""

    async def launch(spec: LaunchSpec) -> Child:
        monkeypatch.setattr(local, "command", lambda _spec: command(PRELUDE + script))
        return await local.launch(spec)

    monkeypatch.setattr(pool, "launcher", lambda _name: launch)


async def serve(scene: Scene, settings: Settings = QUICK, text: str = "hi") -> Turn:
    """Send one message to a worker of its own; return the turn after the worker has ended."""
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        turn = await dispatcher.serve(scene, InboundMessage({"text": text}, {}), settings)
        await turn.answered.wait()
        await turn.ended.wait()
    return turn


Use = Callable[[str], None]
"""A fixture's: make every launch start this script."""
