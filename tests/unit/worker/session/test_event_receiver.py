"""A worker that is accepting a message does not end before it has begun with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.features import idle_agent, stickers
from hermes_router_worker.hermes.session import continuation, platforms
from hermes_router_worker.session import channel_context, event_receiver
from hermes_router_worker.session import left_out as left_out_module
from hermes_router_worker.session.event_receiver import EventReceiver, SessionActions
from hermes_router_worker.session.progress import Progress

Prepare = Callable[[str], Awaitable[None]]
Handing = Callable[[Prepare], tuple[EventReceiver, list[str]]]


class Words(str):
    """An event that is only its text."""

    __slots__ = ()

    message_id = None

    def get_command(self) -> str | None:
        return self[1:] if self.startswith("/") else None

    def is_command(self) -> bool:
        return self.get_command() is not None


class FullPipe:
    """A pipe to a gateway that reads nothing for a while."""

    def __init__(self, *coming: msg.ToWorker) -> None:
        self.room, self.waits = asyncio.Event(), asyncio.Event()
        self.sent: list[msg.Message] = []
        self._coming = list(coming)

    async def receive(self) -> msg.ToWorker:
        if not self._coming:
            await asyncio.Event().wait()
        return self._coming.pop(0)

    async def send(self, message: msg.Message) -> None:
        self.waits.set()
        await self.room.wait()
        self.sent.append(message)


def receiver_of(link: FullPipe, wake: Callable[[Any], Awaitable[None]]) -> EventReceiver:
    """Return a receiver that reads ``link`` and calls ``wake`` for a recurring prompt."""
    return EventReceiver(
        cast("Any", link),
        SimpleNamespace(gateway_runner=None),
        cast("Any", None),
        cast("Any", None),
        SessionActions(adopt=list, wake=wake, failed=_no_failure, clicked=list, left_out=_sent),
        changed=asyncio.Event(),
        finish=asyncio.Event(),
    )


async def test_a_message_counts_while_its_acceptance_waits_for_room_in_the_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fired = asyncio.Event()

    async def fire(_source: Any) -> None:
        fired.set()

    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr(event_receiver, "build_source", lambda fields: fields)
    link = FullPipe(msg.Event(id=1, wake=True, fields={}, source={}, files=[]))
    receiver = receiver_of(link, fire)
    reading = asyncio.create_task(receiver.read())
    with anyio.fail_after(60):
        await link.waits.wait()
        assert receiver.handling()
        link.room.set()
        await fired.wait()
    reading.cancel()
    assert link.sent[0] == msg.Accepted(event=1)


@pytest.mark.parametrize("stops", [True, False])
async def test_no_recurring_prompt_begins_when_a_stop_has_come(
    monkeypatch: pytest.MonkeyPatch, *, stops: bool
) -> None:
    fired: list[object] = []

    async def fire(source: object) -> None:
        fired.append(source)

    monkeypatch.setattr(event_receiver, "build_source", lambda fields: fields)
    link = FullPipe()
    link.room.set()
    receiver = receiver_of(link, fire)
    wake = msg.Event(id=1, wake=True, fields={}, source={}, files=[])
    await receiver._accept(wake, cast("Any", None))
    if stops:
        receiver._finish.set()
    with anyio.fail_after(60):
        while receiver.handling():
            await receiver._changed.wait()
    assert fired == ([] if stops else [{}])


@pytest.fixture
def failures() -> list[Exception]:
    """The errors with which Hermes failed to take a message."""
    return []


@pytest.fixture
def left_out() -> list[Any]:
    """The events that people were told of, because nobody serves them."""
    return []


@pytest.fixture
def handing(
    monkeypatch: pytest.MonkeyPatch, failures: list[Exception], left_out: list[Any]
) -> Handing:
    """Return what makes a receiver, given how events are prepared, and the list of handled ones."""
    handled: list[str] = []

    async def handle_message(event: str) -> None:
        handled.append(event)

    async def told(event: Any) -> None:
        left_out.append(event)

    adapter = SimpleNamespace(
        handle_message=handle_message,
        gateway_runner=SimpleNamespace(_queued_events={}),
        _active_sessions={},
        _pending_messages={},
    )
    progress = Progress(cast("Any", None))
    progress.attach(adapter)

    def receiver(prepare: Prepare) -> tuple[EventReceiver, list[str]]:
        monkeypatch.setattr(idle_agent, "prepare", lambda _runner, event: prepare(event))
        made = EventReceiver(
            cast("Any", None),
            adapter,
            cast("Any", None),
            progress,
            SessionActions(
                adopt=list, wake=_sent, failed=failures.append, clicked=list, left_out=told
            ),
            changed=asyncio.Event(),
            finish=asyncio.Event(),
        )
        return made, handled

    monkeypatch.setattr(continuation, "was_continued", lambda _runner, _event: False)
    return receiver


async def test_no_turn_begins_while_a_command_has_the_sessions_agent_built(
    handing: Handing,
) -> None:
    builds, built = asyncio.Event(), asyncio.Event()

    async def prepare(event: str) -> None:
        if event == "/btw":
            builds.set()
            await built.wait()

    receiver, handled = handing(prepare)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver._deliver, Words("/btw"), None, "event 1")
            await builds.wait()
            tasks.start_soon(receiver._deliver, Words("a message"), None, "event 2")
            await anyio.wait_all_tasks_blocked()
            assert handled == []
            await receiver._deliver(Words("/stop"), None, "event 3")
            assert handled == ["/stop"]
            built.set()
    assert handled == ["/stop", "/btw", "a message"]


async def test_a_message_does_not_overtake_a_sticker_that_is_being_described(
    handing: Handing, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, seen = asyncio.Event(), asyncio.Event()

    async def describe(*_args: object) -> None:
        looks.set()
        await seen.wait()

    async def prepare(_event: str) -> None:
        pass

    monkeypatch.setattr(stickers, "describe", describe)
    receiver, handled = handing(prepare)
    sticker = msg.Sticker(mark="[sticker]", id="1", emoji="", set_name="")
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver._deliver, Words("a sticker"), None, "event 1", sticker)
            await looks.wait()
            tasks.start_soon(receiver._deliver, Words("a message"), None, "event 2")
            await anyio.wait_all_tasks_blocked()
            assert handled == []
            await receiver._deliver(Words("/stop"), None, "event 3")
            seen.set()
    assert handled == ["/stop", "a sticker", "a message"]


async def test_hermes_gets_no_message_that_is_prepared_when_the_worker_has_to_end(
    handing: Handing,
) -> None:
    prepares, prepared = asyncio.Event(), asyncio.Event()

    async def prepare(_event: str) -> None:
        prepares.set()
        await prepared.wait()

    receiver, handled = handing(prepare)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver._deliver, Words("a message"), None, "event 1")
            await prepares.wait()
            receiver._finish.set()
            prepared.set()
    assert handled == []
    assert receiver.coming == ["a message"]


async def test_a_message_is_being_handed_over_while_hermes_takes_it(
    handing: Handing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare(_event: str) -> None:
        assert not receiver.handing()

    async def handle_message(_event: str) -> None:
        assert receiver.handing()
        assert receiver.coming == []

    receiver, _handled = handing(prepare)
    monkeypatch.setattr(receiver._adapter, "handle_message", handle_message)
    await receiver._deliver(Words("a message"), None, "event 1")
    assert not receiver.handing()


async def test_a_message_that_hermes_fails_to_take_waits_for_another_worker(
    handing: Handing,
    failures: list[Exception],
    left_out: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def prepare(_event: object) -> None:
        pass

    async def handle_message(_event: object) -> None:
        raise RuntimeError("can't start new thread")

    receiver, _handled = handing(prepare)
    monkeypatch.setattr(receiver._adapter, "handle_message", handle_message)
    event = SimpleNamespace(
        message_id="1", internal=False, get_command=lambda: None, is_command=lambda: False
    )
    receiver._progress.take(event, 1)
    await receiver._deliver(event, 1, "event 1")
    assert receiver._progress._now() == msg.Progress(done=2, waiting=[1])
    assert [str(error) for error in failures] == ["can't start new thread"]
    assert "event 1 failed" in caplog.text
    assert left_out == []


@pytest.mark.parametrize("kept", [False, True])
async def test_people_are_told_of_a_queued_message_that_hermes_fails_to_take(
    handing: Handing,
    left_out: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    kept: bool,
) -> None:
    """The gateway does not know it, so no other worker gets it, unless Hermes keeps it queued."""

    async def prepare(_event: object) -> None:
        pass

    async def handle_message(event: object) -> None:
        if kept:
            receiver._adapter._pending_messages["key"] = event
        raise RuntimeError("can't start new thread")

    receiver, _handled = handing(prepare)
    monkeypatch.setattr(receiver._adapter, "handle_message", handle_message)
    event = SimpleNamespace(
        message_id=None, internal=False, get_command=lambda: None, is_command=lambda: False
    )
    with anyio.fail_after(60):
        receiver.begin_queued(event)
        while receiver.handling():
            await receiver._changed.wait()
    assert left_out == ([] if kept else [event])
    assert "a queued message failed" in caplog.text


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hermes's metadata of a thread."""
    monkeypatch.setattr(platforms, "thread_metadata", lambda one: {"thread_id": one.thread_id})


@pytest.mark.usefixtures("threads")
async def test_people_are_told_which_message_it_was_and_where_to_look() -> None:
    sent: list[tuple[str, str, Any]] = []

    async def send(chat: str, text: str, metadata: Any) -> None:
        sent.append((chat, text, metadata))

    source = SimpleNamespace(chat_id="-100", thread_id="6")
    event = SimpleNamespace(text="and then\n" + "do it " * 30, source=source)
    await left_out_module.tell(SimpleNamespace(send=send), "0123abcd", event)
    [(chat, text, metadata)] = sent
    assert (chat, metadata["thread_id"]) == ("-100", "6")
    assert "“and then do it do it" in text
    assert text.endswith("…”. Please send it again. [0123abcd]")
    assert len(text) < 200


@pytest.mark.usefixtures("threads")
async def test_a_chat_that_nobody_can_be_told_in_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def send(*_args: object, **_kwargs: object) -> None:
        raise OSError("the pipe is closed")

    event = SimpleNamespace(text=None, source=SimpleNamespace(chat_id="-100", thread_id=None))
    await left_out_module.tell(SimpleNamespace(send=send), "0123abcd", event)
    assert "nobody was told" in caplog.text


async def test_a_message_is_handled_where_its_preparation_fails(
    handing: Handing, caplog: pytest.LogCaptureFixture
) -> None:
    async def prepare(_event: str) -> None:
        raise ValueError("no agent can be built")

    receiver, handled = handing(prepare)
    await receiver._deliver(Words("a message"), None, "event 1")
    assert handled == ["a message"]
    assert "event 1 is handled without its preparation" in caplog.text
    assert "no agent can be built" in caplog.text


async def test_a_message_does_not_wait_long_for_an_agent_that_is_built_in_advance(
    handing: Handing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def prepare(_event: str) -> None:
        pass

    async def build(*_args: object) -> None:
        await asyncio.Event().wait()

    receiver, handled = handing(prepare)
    monkeypatch.setattr(idle_agent, "build", build)
    monkeypatch.setattr(event_receiver, "build_source", lambda fields: fields)
    monkeypatch.setattr(channel_context, "apply_profile_settings", lambda _runner, _event: None)
    monkeypatch.setattr(event_receiver, "_EXPECT_SECONDS", 0.05)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver._expect, msg.Expect(source={}))
            await anyio.wait_all_tasks_blocked()
            await receiver._deliver(Words("a message"), None, "event 1")
    assert handled == ["a message"]
    assert "was not built in 0.05 s" in caplog.text


async def test_what_an_earlier_worker_left_is_adopted_once_and_with_a_message_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adopted: list[int] = []
    monkeypatch.setattr(event_receiver, "build_source", lambda fields: fields)
    receiver = EventReceiver(
        cast("Any", SimpleNamespace(send=_sent)),
        SimpleNamespace(gateway_runner=None),
        cast("Any", None),
        cast("Any", None),
        SessionActions(
            adopt=lambda: adopted.append(1),
            wake=_sent,
            failed=_no_failure,
            clicked=list,
            left_out=_sent,
        ),
        changed=asyncio.Event(),
        finish=asyncio.Event(),
    )
    assert adopted == []
    for number in (1, 2):
        wake = msg.Event(id=number, wake=True, fields={}, source={}, files=[])
        await receiver._accept(wake, cast("Any", None))
        assert adopted == [1]
    receiver.open = False


def _no_failure(error: Exception) -> None:
    raise error


async def _sent(_message: msg.Message) -> None:
    pass
