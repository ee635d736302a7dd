"""The worker is the enemy: whatever it sends, it reaches nothing but its own conversation."""

from __future__ import annotations

import logging
import re
import tempfile
import urllib.parse
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hermes_router.config.settings import Limits, Settings, Timeouts
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import ADAPTER_METHODS, METADATA_KEYS, Method
from hermes_router.relay.prompts import OpenPrompts
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from tests.kit.workers import hostile
from tests.kit.workers.hostile import (
    CHAT,
    FOREIGN_MESSAGE,
    KEY,
    OWN_MESSAGE,
    THREAD,
    USER,
    Called,
    Place,
)

SETTINGS = Settings(
    timeouts=Timeouts(start=5.0, silence=5.0, stop=0.2),
    limits=Limits(file_bytes=100_000, output_bytes=4_000_000),
)
CROSSING = [method for method in ADAPTER_METHODS.values() if method.crosses]
SECRET = "of another conversation"

# -- what an enemy would say -----------------------------------------------------------------------

TEXTS = [
    "", "x", CHAT, THREAD, USER, "-999", "9", OWN_MESSAGE, FOREIGN_MESSAGE, "None", "../..", "..",
    "a/b", "\0", "/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/", "http://[::1]/", "ftp://x",
    "http://169.254.169.254/meta", "https://example.org/a.png", "http://2130706433/", "HTTP://0x7f.1/",
    "http://localhost./", "http://user@10.0.0.1/", "http:///etc/hostname", "http://exa\nmple.org",
    "\n2026-01-01 00:00:00,000 ERROR forged", "a\u202eb", "\x1b[2J", "x" * 5000, KEY,
    f"{KEY}:hr0123456789ab", "agent:main:telegram:group:-999:9", "hr0123456789ab",
]  # fmt: skip
scalars = (
    st.sampled_from(TEXTS)
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=5)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([int(CHAT), int(THREAD), int(OWN_MESSAGE)])
)
names = st.sampled_from([*TEXTS, *METADATA_KEYS, "$file", "stream", "name", "size"])
files = st.fixed_dictionaries(
    {
        "$file": st.fixed_dictionaries(
            {
                "stream": st.integers(-2, 3),
                "name": st.sampled_from([*TEXTS, "a.png", "b.ogg"]),
                "size": st.sampled_from([0, 3, 6, -1, 2**63]),
            }
        )
    }
)
values = st.recursive(
    scalars | files,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
text = st.just("text")
named = files | st.sampled_from([name for name in TEXTS if "/" in name])
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "chat_id": st.sampled_from([CHAT, CHAT, CHAT, int(CHAT), "-999"]),
    "user_id": st.sampled_from([USER, "8"]),
    "message_id": st.sampled_from([OWN_MESSAGE, "90", FOREIGN_MESSAGE]),
    "metadata": st.dictionaries(st.sampled_from(list(METADATA_KEYS)), scalars, max_size=3),
}


def arguments(method: Method) -> st.SearchStrategy[dict[str, Any]]:
    """Return arguments of a method, of which some are as they should be."""
    likely = {
        name: st.one_of(*[LIKELY.get(name, named if name in method.files else text)] * 2, values)
        for name in method.params
    }
    if "chat_id" in likely:
        likely["chat_id"] = LIKELY["chat_id"]
    required = {name: likely.pop(name) for name in ("chat_id",) if name in likely}
    return st.fixed_dictionaries(required, optional=likely)


ids = st.integers(-3, 5) | st.sampled_from([2**63 - 1, -(2**63)])
calls = st.sampled_from(CROSSING).flatmap(
    lambda method: st.builds(
        lambda number, args: {"op": "call", "id": number, "method": method.name, "args": args},
        ids,
        arguments(method),
    )
)
chats = st.just(CHAT) | st.sampled_from(TEXTS)
threads = st.just(THREAD) | st.none() | st.sampled_from(TEXTS)
soft = st.one_of(
    st.builds(lambda n, m, a: {"op": "call", "id": n, "method": m, "args": a}, ids, names,
              st.dictionaries(names, values, max_size=3)),
    st.builds(lambda n, p, c, t, f: {"op": "deliver", "id": n, "platform": p, "chat_id": c,
                                     "thread_id": t, "text": "x", "files": f},
              ids, st.sampled_from(["telegram", "telegram", "\n"]), chats, threads,
              st.lists(files.map(lambda f: f["$file"]), max_size=2)),
    st.builds(lambda n, c, t, m: {"op": "react", "id": n, "platform": "telegram", "chat_id": c,
                                  "thread_id": t, "message_id": m},
              ids, chats, threads, st.sampled_from(TEXTS)),
    st.builds(lambda n, d: {"op": "chunk", "stream": n, "data": d}, st.integers(-2, 3),
              st.sampled_from([b"", b"abc", b"abcabc"])),
    st.builds(lambda op, n: {"op": op, "event": n},
              st.sampled_from(["accepted", "handled", "refused"]), st.integers(-3, 1)),
    st.builds(lambda r: {"op": "idle", "resident": r}, st.booleans()),
    st.sampled_from([{"op": "draining"}, {"op": "heartbeat"}]),
    st.builds(lambda n: {"op": "closed", "call": n}, ids),
    st.builds(lambda n: {"op": "limit_reached", "limit": n}, names),
)  # fmt: skip
fatal = st.one_of(
    st.sampled_from([{"op": "start"}, {"op": "finish"}, {"op": "begun", "name": "x"},
                     {"op": "ended", "outcome": "done"}]),
    st.builds(lambda n: {"op": "chunk", "stream": n, "data": b"x" * 120_000}, ids),
    st.builds(lambda n, v, e: {"op": "resolved", "id": n, "value": v, "error": e}, ids,
              st.none() | st.sampled_from(TEXTS), st.none() | st.sampled_from(TEXTS)),
    st.builds(lambda n: {"op": "accepted", "event": n}, ids),
    st.builds(lambda n: {"op": "phase", "name": n}, names),
    st.builds(lambda p: {"op": "ready", "phases": p},
              st.dictionaries(names, st.floats(), max_size=3)),
    st.builds(lambda e: {"op": "failed", "error": e, "traceback": e}, st.sampled_from(TEXTS)),
    st.builds(lambda w: {"op": "background_work", "works": w}, st.lists(st.sampled_from(TEXTS))),
    st.builds(lambda n: {"op": n}, st.sampled_from(TEXTS)),
    st.builds(lambda n: {"op": "heartbeat", n: 1}, st.sampled_from(TEXTS)),
    st.builds(lambda n: {"op": "hello", "profile": n}, names),
    st.dictionaries(names, values, max_size=3),
)  # fmt: skip


def sent(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return strategy.map(msgspec.msgpack.encode).map(hostile.framed)


messages = st.one_of(*[sent(calls)] * 3, sent(soft))
ends = st.one_of(
    st.just(b""), *[sent(fatal)] * 3, st.binary(max_size=20),
    st.binary(max_size=20).map(hostile.framed),
)  # fmt: skip

# -- what must hold whatever it said ---------------------------------------------------------------


class World:
    """One conversation with an enemy in it, and another one's prompt that must stay open."""

    def __init__(self, home: Path) -> None:
        self.place = Place(Profile("career", home))
        self.services = hostile.services()
        self.other: list[msg.Message] = []
        self.prompts = OpenPrompts(self.services.registry, self._note, self._say)
        self.said: list[str] = []

    async def _note(self, message: msg.Message) -> None:
        self.other.append(message)

    async def _say(self, text: str) -> None:
        self.said.append(text)

    async def serve(self, settings: Settings = SETTINGS) -> Turn:
        """Serve one message to the end of the enemy."""
        method = ADAPTER_METHODS["send_exec_approval"]
        shown = {"chat_id": "-999", "session_key": SECRET}
        await self.prompts.ask(1, hostile.Adapter(), method, shown, key="another's key")
        turn = Turn(self.place, settings, self.services, received=0.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run)
            with anyio.fail_after(60):
                await turn.offer(InboundMessage({"text": "hi"}, {}))
                await turn.ended.wait()
        return turn

    @property
    def post(self) -> hostile.DeliveryService:
        assert isinstance(self.services.delivery, hostile.DeliveryService)
        return self.services.delivery


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "profiles" / "career"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def world(home: Path) -> World:
    return World(home)


def check(world: World, turn: Turn, log: str, records: list[logging.LogRecord]) -> None:
    """Check that nothing came of it outside the conversation, and nothing is left."""
    for called in world.place.adapter.called:
        check_call(called)
    for place in world.post.delivered:
        assert (place.platform, place.chat_id, place.thread_id) == ("telegram", CHAT, THREAD)
    assert len(world.prompts) == 1
    assert world.other == []
    assert len(world.place.notices) <= 2
    assert all(text.isprintable() for text in world.place.notices), world.place.notices
    assert len(turn.phases) < 40
    kinds = [re.fullmatch(r"\S+ hermes-router (begin|worker|end)( \S+=(\S+|\".*\"))*", line)
             for line in log.splitlines()]  # fmt: skip
    assert all(kinds), log
    assert [kind[1] for kind in kinds if kind] in (["begin", "end"], ["begin", "worker", "end"])
    for record in records:
        text = record.getMessage()
        assert text.replace("\n    install the same hermes-router", "").isprintable(), text
        assert record.exc_info is None, text
    assert not list(Path(tempfile.gettempdir()).glob("hermes-router-spool-*"))


def check_call(called: Called) -> None:
    """Check that an adapter was asked for nothing outside the conversation."""
    method, given = ADAPTER_METHODS[called.method], called.arguments
    assert str(given.get("chat_id", CHAT)) == CHAT
    assert str(given.get("user_id", USER)) == USER
    for name in method.messages:
        assert given.get(name) is None or str(given[name]) in {OWN_MESSAGE, "90"}, given
    metadata = given.get("metadata") or {}
    assert set(metadata) <= set(METADATA_KEYS)
    for name, value in metadata.items():
        if METADATA_KEYS[name].role == "place":
            assert value is None or str(value) == THREAD
        if METADATA_KEYS[name].role == "message":
            assert str(value) in {OWN_MESSAGE, "90"}
    for name, how in method.rewrites.items():
        if name in given:
            check_rewritten(how, given[name])
    for content in called.files.values():
        assert not content or content[:3] in {b"abc", b"xxx"}
    for name in method.files:
        if name in given and str(given[name]).startswith("http"):
            host = urllib.parse.urlsplit(given[name]).hostname
            assert host == "example.org", given[name]


def check_rewritten(how: str, value: Any) -> None:
    if how == "session_token":
        assert re.fullmatch(re.escape(KEY) + ":hr[0-9a-f]{12}", value)
    elif how == "prompt_id":
        assert re.fullmatch("hr[0-9a-f]{12}", value)
    elif how == "draft_id":
        assert isinstance(value, int)
    elif how == "status_key":
        assert value.startswith(f"career/{KEY}/")
        assert value.isprintable()
    elif how == "callback":
        assert callable(value)


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))


def test_whatever_a_worker_sends_stays_in_its_conversation(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reached: Counter[str] = Counter()
    caplog.set_level(logging.INFO, "hermes_router")

    @examples(max_examples=250, deadline=None)
    @given(said=st.lists(messages, max_size=15), last=ends)
    def says(said: list[bytes], last: bytes) -> None:
        caplog.clear()
        home = tmp_path_factory.mktemp("career")

        async def acts(worker: hostile.Hostile) -> None:
            await worker.hello()
            await worker.event()
            await worker.raw(b"".join(said) + last)
            await worker.hang_up()

        async def serve() -> None:
            hostile.play(acts, monkeypatch)
            world = World(home)
            turn = await world.serve()
            log = (home / "logs" / "hermes-router-worker.log").read_text()
            check(world, turn, log, caplog.records)
            reached["calls"] += len(world.place.adapter.called)
            reached["deliveries"] += len(world.post.delivered)
            reached["refusals"] += caplog.text.count("refused")

        anyio.run(serve)

    says()
    # What is never tried shows nothing.
    assert reached["calls"] > 60, reached
    assert reached["refusals"] > 100, reached
    assert reached["deliveries"] > 3, reached
