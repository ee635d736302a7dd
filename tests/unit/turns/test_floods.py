"""A worker that floods, hangs or hoards: the gateway stays quick, small, and rid of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from hermes_router.base.errors import ProtocolError, WorkerOverLimit
from hermes_router.config.settings import Limits, Settings, Timeouts
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol import size_guard, template
from hermes_router.protocol.framing import MAX_FRAME_BYTES
from hermes_router.relay.attachments import MOST_FILES, Spool
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.turns.worker.rpc_server import CALLS_AT_ONCE
from hermes_router.workers.flow_control import MOST_PER_SECOND
from hermes_router.workers.fork_client import ForkServer
from hermes_router_worker.process.log_pipe import LogPipe
from tests.kit.workers import hostile
from tests.kit.workers.hostile import CHAT, Hostile, Place, framed

SETTINGS = Settings(timeouts=Timeouts(start=10.0, silence=10.0, stop=0.2))
SEND = {"chat_id": CHAT, "content": "x"}


@pytest.fixture
def place(profile: Profile) -> Place:
    return Place(profile)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


Serve = Callable[..., Awaitable[Turn]]


@pytest.fixture
def serve(place: Place, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return what serves one message with a worker that acts so, to its end."""

    async def serve(acts: hostile.Acts, settings: Settings = SETTINGS) -> Turn:
        async def greeting(worker: Hostile) -> None:
            await worker.hello()
            await acts(worker)

        hostile.play(greeting, monkeypatch)
        turn = Turn(place, settings, hostile.services(), received=0.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run)
            with anyio.fail_after(40):
                await turn.offer(InboundMessage({"text": "hi"}, {}))
                await turn.ended.wait()
        return turn

    return serve


async def _ticks(seconds: float) -> list[float]:
    """Return how late each of many short sleeps was over, for that long."""
    late, end = [], time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - begun - 0.01)
    return late


NESTED = msgspec.msgpack.encode(
    {"op": "call", "id": 1, "method": "x", "args": {"a": [[] for _ in range(45_000)]}}
)
FLOODS = {
    "signs of life": msg.encode(msg.Heartbeat()),
    "refused calls": msg.encode(msg.Call(id=1, method="no\nsuch", args={})),
    "empty chunks": msg.encode(msg.Chunk(stream=1, data=b"")),
    "model requests": msg.encode(msg.ModelRequest(id=1)),
    "empty lists by the thousand": NESTED,
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_leaves_the_others_their_turn(serve: Serve, name: str) -> None:
    async def acts(worker: Hostile) -> None:
        # Written by a thread: the pipe is full whenever the gateway looks.
        many = framed(FLOODS[name]) * max(1, 65536 // len(FLOODS[name]))
        end = time.monotonic() + 5

        def pour() -> None:
            os.set_blocking(worker.outbound_of_worker, True)
            while time.monotonic() < end and not worker.gone.is_set():
                os.write(worker.outbound_of_worker, many)

        await anyio.to_thread.run_sync(pour)

    serving = asyncio.create_task(_outcome(serve(acts)))
    late = await _ticks(3.0)
    serving.cancel()
    await asyncio.wait([serving])
    # A quiet machine gets a hundred and more; a loop that is kept busy, one or two.
    assert len(late) > 8, late
    assert statistics.median(late) < 0.1, late


async def _outcome(work: Awaitable[Turn]) -> None:
    await work


async def test_what_is_held_for_one_worker_is_bounded(serve: Serve, place: Place) -> None:
    place.adapter.hold = anyio.Event()

    async def acts(worker: Hostile) -> None:
        content = [[*map(list, [b""] * 40_000)], "x" * 60_000]
        for number in range(2 * CALLS_AT_ONCE):
            args = {**SEND, "content": content}
            await worker.say(msg.Call(id=number, method="send", args=args))

    # The platform is not done with any of them: that is not the worker's silence.
    settings = replace(SETTINGS, timeouts=replace(SETTINGS.timeouts, turn=8.0))
    tracemalloc.start()
    try:
        await serve(acts, settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert place.adapter.most_at_once <= CALLS_AT_ONCE
    assert peak < 100_000_000, peak


async def test_a_worker_that_never_reads_is_ended_all_the_same(serve: Serve, place: Place) -> None:
    place.adapter.result = lambda: SimpleNamespace(success=True, message_id="9", more="x" * 50_000)

    async def acts(worker: Hostile) -> None:
        for number in range(100):
            await worker.say(msg.Call(id=number, method="send", args=SEND))
        await anyio.sleep(60)

    settings = replace(SETTINGS, timeouts=replace(SETTINGS.timeouts, silence=1.0))
    begun = time.monotonic()
    turn = await serve(acts, settings)
    assert "timeouts.silence" in str(turn.failure)
    assert time.monotonic() - begun < 20


async def test_a_turn_whose_worker_never_reads_can_be_stopped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.adapter.result = lambda: SimpleNamespace(success=True, message_id="9", more="x" * 50_000)
    said = anyio.Event()

    async def acts(worker: Hostile) -> None:
        await worker.hello()
        for number in range(CALLS_AT_ONCE):
            await worker.say(msg.Call(id=number, method="send", args=SEND))
        said.set()
        await anyio.sleep(60)

    hostile.play(acts, monkeypatch)
    turn = Turn(place, SETTINGS, hostile.services(), received=0.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn.run)
        with anyio.fail_after(60):
            await said.wait()
            await turn.stop("the person said so")
    assert turn.ended.is_set()


async def test_a_worker_that_answers_and_stays_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes_router.turns.worker.watchdog._POST_TURN_MORE", 0.5)

    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Accepted(event=await worker.event()), msg.Idle(), msg.Draining())
        while True:
            await worker.say(msg.Heartbeat())
            await anyio.sleep(0.05)

    times = replace(SETTINGS.timeouts, post_turn=0.5)
    turn = await serve(acts, replace(SETTINGS, timeouts=times))
    assert "timeouts.post_turn" in str(turn.failure)


async def test_background_work_without_a_word_is_ended_and_that_is_said(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Accepted(event=await worker.event()), msg.Idle(resident=True))
        while True:
            await worker.say(
                msg.Heartbeat(), msg.Call(id=1, method="send_typing", args={"chat_id": CHAT})
            )
            await anyio.sleep(0.05)

    times = replace(SETTINGS.timeouts, idle=0.6)
    turn = await serve(acts, replace(SETTINGS, timeouts=times))
    assert "timeouts.idle" in str(turn.failure)
    [notice] = place.notices
    assert "(idle: 0.6 s) and was ended. [" in notice
    assert "send your message again" not in notice


async def test_work_that_outlives_its_turn_for_too_long_is_ended_and_named(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(
            msg.Accepted(event=await worker.event()),
            msg.BackgroundWork(works=["one\n", *["x" * 500] * 20]),
            msg.Idle(resident=True),
        )
        while True:
            await worker.say(msg.Heartbeat(), msg.Call(id=1, method="send", args=SEND))
            await anyio.sleep(0.05)

    times = replace(SETTINGS.timeouts, resident=0.6)
    turn = await serve(acts, replace(SETTINGS, timeouts=times))
    assert "timeouts.resident" in str(turn.failure)
    limit, ended = place.notices
    assert "(resident: 0.6 s) and was ended. [" in limit
    assert "(resident: 0.6 s) and was ended: one\\x0a; xxx" in ended
    assert "; 11 more. [" in ended
    assert len(ended) < 2000
    assert place.works == (turn.id, ())


async def test_post_turn_work_that_a_worker_ends_by_itself_is_named(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Accepted(event=await worker.event()), msg.Idle())
        await worker.say(msg.BackgroundWork(works=["the title"]), msg.Draining())

    turn = await serve(acts)
    assert turn.failure is None
    [ended] = place.notices
    assert "took longer than allowed (post_turn: 900 s): the title." in ended


async def test_a_worker_that_says_too_much_is_ended_and_the_limit_is_named(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Accepted(event=await worker.event()))
        args = {**SEND, "content": "x" * 50_000}
        while True:
            await worker.say(msg.Call(id=1, method="send", args=args))

    turn = await serve(acts, replace(SETTINGS, limits=Limits(output_bytes=1_000_000)))
    assert isinstance(turn.failure, WorkerOverLimit)
    assert len(place.adapter.called) <= 20
    assert "(limits.output_bytes: 1000000) and was ended" in place.notices[0]


async def test_a_worker_that_sends_too_much_of_files_is_ended_and_the_limit_is_named(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Accepted(event=await worker.event()))
        while True:
            await worker.say(msg.Chunk(stream=1, data=b"x" * 50_000))

    turn = await serve(acts, replace(SETTINGS, limits=Limits(file_bytes=200_000)))
    assert isinstance(turn.failure, WorkerOverLimit)
    assert "sent more bytes of files at once than its limit" in place.notices[0]
    assert "(limits.file_bytes: 200000) and was ended" in place.notices[0]


async def test_refused_calls_are_few_lines_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def acts(worker: Hostile) -> None:
        for number in range(300):
            await worker.say(msg.Call(id=number, method=f"no such {number}", args={}))
            await worker.hear()

    settings = replace(SETTINGS, timeouts=replace(SETTINGS.timeouts, silence=1.0))
    await serve(acts, settings)
    assert 10 < len(caplog.records) < 40
    assert caplog.text.count("not logged") == 1


async def test_a_result_that_cannot_cross_is_an_error_to_the_worker_only(
    serve: Serve, place: Place
) -> None:
    results: Iterator[dict[str, Any]] = iter(
        [{"x": "y" * MAX_FRAME_BYTES}, {"x": 2**70}, {"x": "\ud800"}, {"x": 1}]
    )
    place.adapter.result = lambda: SimpleNamespace(success=True, message_id="9", **next(results))
    answers: list[msg.ToWorker] = []

    async def acts(worker: Hostile) -> None:
        event = await worker.event()
        for number in range(4):
            await worker.say(msg.Call(id=number, method="send", args=SEND))
            answers.append(await worker.hear())
        await worker.say(msg.Accepted(event=event), msg.Idle(), msg.Draining())

    turn = await serve(acts)
    assert turn.failure is None
    errors = [answer.error for answer in answers if isinstance(answer, msg.Result)]
    assert [bool(error) for error in errors] == [True, True, False, False], "half a character can"


async def test_deeply_nested_values_are_a_broken_protocol(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def acts(worker: Hostile) -> None:
        head = b"\x84\xa2op\xa4call\xa2id\x01\xa6method\xa4send\xa4args\x81\xa1a"
        await worker.raw(framed(head + b"\x91" * 100_000 + b"\xc0"))
        await anyio.sleep(60)

    turn = await serve(acts)
    assert isinstance(turn.failure, ProtocolError)
    assert all(record.exc_info is None for record in caplog.records)


async def test_a_message_of_a_million_values_is_not_even_made(serve: Serve) -> None:
    many = msgspec.msgpack.encode(
        {"op": "call", "id": 1, "method": "send", "args": {"a": [[]] * 900_000}}
    )

    async def acts(worker: Hostile) -> None:
        await worker.raw(framed(many))
        await anyio.sleep(60)

    turn = await serve(acts)
    assert isinstance(turn.failure, ProtocolError)
    assert "too many values" in str(turn.failure)


@examples(deadline=None, max_examples=50)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.text(max_size=300) | st.binary(max_size=300)
    | st.builds(msgspec.msgpack.Ext, st.integers(-5, 5), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner),
))  # fmt: skip
def test_values_are_counted_as_they_are(value: object) -> None:
    room = size_guard.MOST_VALUES - _values(value) - 2
    for more, heavy in ((room, False), (room + 1, True)):
        values = [value, b"x" * size_guard.LIGHT_BYTES, *([0] * more)]
        assert size_guard.too_heavy(msgspec.msgpack.encode(values)) is heavy


def _values(value: object) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_values, value))
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_values, value.values()))
    return 1


async def test_one_worker_may_not_quiet_a_chat_for_good(serve: Serve, place: Place) -> None:
    async def acts(worker: Hostile) -> None:
        await worker.say(msg.Call(id=1, method="pause_typing_for_chat", args={"chat_id": CHAT}))
        await anyio.sleep(0.2)

    await serve(acts)
    last = place.adapter.called[-1]
    assert (last.method, last.arguments) == ("resume_typing_for_chat", {"chat_id": CHAT})


async def test_status_and_drafts_have_names_of_their_own_conversation(
    serve: Serve, place: Place
) -> None:
    async def acts(worker: Hostile) -> None:
        args: dict[str, Any] = {"chat_id": CHAT, "content": "x"}
        status = {**args, "status_key": "busy"}
        await worker.say(msg.Call(id=1, method="send_or_update_status", args=status))
        await worker.say(msg.Call(id=2, method="send_draft", args={**args, "draft_id": 1}))
        await anyio.sleep(0.2)

    await serve(acts)
    await serve(acts)
    keys = {c.arguments["status_key"] for c in place.adapter.called if "status" in c.method}
    drafts = {c.arguments["draft_id"] for c in place.adapter.called if "draft" in c.method}
    assert keys == {f"career/{place.key}/busy"}
    assert len(drafts) == 2  # each worker counts from 1


# -- files -----------------------------------------------------------------------------------------


def test_many_tiny_files_are_refused() -> None:
    spool = Spool(limit=1000)
    for stream in range(MOST_FILES):
        spool.append(msg.Chunk(stream=stream, data=b""))
    with pytest.raises(ProtocolError, match="files at once"):
        spool.append(msg.Chunk(stream=-1, data=b""))
    spool.close()


def test_files_in_use_count_too() -> None:
    spool = Spool(limit=10)
    spool.append(msg.Chunk(stream=1, data=b"x" * 8))
    path = spool.claim(msg.FileRef(stream=1, name="a.png", size=8))
    with pytest.raises(WorkerOverLimit, match=r"limits\.file_bytes, 10"):
        spool.append(msg.Chunk(stream=1, data=b"x" * 3))
    spool.release(path)
    spool.append(msg.Chunk(stream=1, data=b"x" * 10))
    spool.close()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc/hostname", "a\\b", "a\0b", "a\nb", "a\u202eb", "x" * 300]
)
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    spool = Spool(limit=10)
    spool.append(msg.Chunk(stream=1, data=b"x"))
    with pytest.raises(ProtocolError, match="did not arrive"):
        spool.claim(msg.FileRef(stream=1, name=name, size=1))
    spool.close()


async def test_without_a_network_no_address_is_fetched(serve: Serve, place: Place) -> None:
    async def acts(worker: Hostile) -> None:
        args = {"chat_id": CHAT, "image_url": "https://example.org/?secret"}
        await worker.say(msg.Call(id=1, method="send_image", args=args))
        await anyio.sleep(0.2)

    await serve(acts)
    assert len(place.adapter.called) == 1
    sandbox = replace(SETTINGS.sandbox, network="off")
    await serve(acts, replace(SETTINGS, launcher="bubblewrap", sandbox=sandbox))
    assert len(place.adapter.called) == 1


# -- what starts workers, and what is printed ------------------------------------------------------


async def test_a_template_that_floods_leaves_the_others_their_turn() -> None:

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = ForkServer(ours)
    flood = [template.Prepared(phases={}), template.Forked(worker_id="none", pid=1)]
    end = time.monotonic() + 4

    def pour() -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            with contextlib.suppress(OSError):
                theirs.send(template.encode(flood[number % 2]))

    with theirs:
        pouring = asyncio.create_task(anyio.to_thread.run_sync(pour))
        late = await _ticks(3.0)
        assert len(late) > 8, late
        assert server._children == {}
        theirs.setblocking(False)
        await server.close()
        await asyncio.wait([pouring])


def test_the_pace_is_far_above_what_a_good_worker_sends() -> None:
    assert MOST_PER_SECOND * msg.CHUNK_BYTES > 100_000_000


@examples(deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([
    b"2026-01-01T00:00:00.000+00:00 hermes-router end turn=1 exit=x\n",
    b"x hermes-router begin turn=1", b"\n", b"\r", b"\x1b[2J", b"\xc2\x9b1m", b"y" * 20_000,
])))  # fmt: skip
def test_what_is_printed_is_no_line_of_the_gateways_and_no_control(parts: list[bytes]) -> None:
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as log:
        printed = LogPipe(reader, log.fileno(), 0)
        for part in parts:
            os.write(writer, part[:60_000])
            printed.pass_on()
        printed.finish()
        log.seek(0)
        text = log.read()
    for end in (reader, writer):
        os.close(end)
    assert not any(byte < 0x20 and byte not in b"\n\t" for byte in text)
    assert re.search(rb"^\S+ hermes-router ", text, re.MULTILINE) is None
    assert text == b"" or text.endswith(b"\n")
    assert printed.count == sum(map(len, parts))


def test_a_limit_of_what_is_printed_is_kept_to_the_byte() -> None:
    reader, writer = os.pipe()
    log_reader, log = os.pipe()
    printed = LogPipe(reader, log, 10)
    os.write(writer, b"a" * 25)
    printed.pass_on()
    assert printed.too_much
    printed.finish()
    os.close(log)
    with open(log_reader, "rb") as file:  # noqa: PTH123
        assert re.fullmatch(rb"\S+ - a{10}\n", file.read())
    for end in (reader, writer):
        os.close(end)


def test_what_is_printed_is_one_object_for_each_line_where_the_log_is_json() -> None:
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as log:
        printed = LogPipe(reader, log.fileno(), 0, as_json=True)
        os.write(writer, b'one "line"\n\xc3\xa9 and \x1b[2J\nthe last')
        printed.pass_on()
        printed.finish()
        log.seek(0)
        lines = [json.loads(line) for line in log.read().splitlines()]
    for end in (reader, writer):
        os.close(end)
    assert [line["text"] for line in lines] == ['one "line"', "é and \\x1b[2J", "the last"]
    assert all(set(line) == {"time", "turn", "text"} for line in lines)
