"""Prompts without Hermes: names, answers, ends, and workers that do not play by the rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hermes_router.base.errors import ProtocolError, RelayRefused
from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import ADAPTER_METHODS
from hermes_router.relay import prompts
from hermes_router.relay.prompts import MAX_OPEN, OpenPrompts, Prompt, PromptGone, PromptRegistry

KEY = "agent:main:telegram:group:-100:7"
ALL = frozenset(name for name, method in ADAPTER_METHODS.items() if method.kind == "prompt")


@dataclass
class Sent:
    success: bool = True
    message_id: str = "1"


@dataclass
class Adapter:
    """Shows whatever it is told to show."""

    shown: list[dict[str, Any]] = field(default_factory=list)
    result: Sent = field(default_factory=Sent)
    hold: anyio.Event | None = None

    async def show(self, **arguments: Any) -> Sent:
        self.shown.append(arguments)
        if self.hold is not None:
            await self.hold.wait()
        return self.result

    send_exec_approval = send_clarify = send_slash_confirm = send_model_picker = show
    send_choice_picker = show


@dataclass
class Front:
    """What Hermes would know of the prompts."""

    known: list[Prompt] = field(default_factory=list)

    def opened(self, prompt: Prompt) -> None:
        self.known.append(prompt)

    def closed(self, prompt: Prompt) -> None:
        if prompt in self.known:
            self.known.remove(prompt)


@dataclass
class World:
    registry: PromptRegistry
    front: Front
    adapter: Adapter = field(default_factory=Adapter)
    sent: list[Any] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def worker(self, send: Callable[[Any], Awaitable[None]] | None = None) -> OpenPrompts:
        async def record(message: Any) -> None:
            self.sent.append(message)

        async def say(text: str) -> None:
            self.late.append(text)

        return OpenPrompts(self.registry, send or record, say)

    async def ask_only(self, worker: OpenPrompts, call: int) -> None:
        method = ADAPTER_METHODS["send_exec_approval"]
        await worker.ask(call, self.adapter, method, {"session_key": "x"}, key=KEY)

    async def ask(self, worker: OpenPrompts, call: int, name: str, **arguments: Any) -> Prompt:
        method = ADAPTER_METHODS[f"send_{name}"]
        given = dict.fromkeys(method.rewrites, "the worker's own") | arguments
        await worker.ask(call, self.adapter, method, given, key=KEY)
        return self.front.known[-1]


@pytest.fixture
def world() -> World:
    front = Front()
    return World(PromptRegistry(front, ALL), front)


async def gone(worker: OpenPrompts) -> None:
    """Let what was sent from a plain function be sent."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
    while any(worker._tasks):
        await anyio.lowlevel.checkpoint()


# -- names


async def test_the_adapter_gets_names_that_the_worker_cannot_choose(world: World) -> None:
    worker = world.worker()
    first = await world.ask(worker, 1, "slash_confirm", title="t", message="m")
    second = await world.ask(worker, 2, "slash_confirm", title="t", message="m")
    [one, two] = world.adapter.shown
    assert (one["session_key"], one["confirm_id"]) == (first.token, first.id)
    assert one["confirm_id"] != two["confirm_id"]
    assert "the worker's own" not in {*one.values(), *two.values()}
    assert world.registry.find(second.token) is world.registry.find(second.id) is second
    # QQ reads chat and user from the session key; Telegram has 64 bytes for a whole button.
    assert first.token.startswith(f"{KEY}:")
    assert len(f"sc:always:{first.id}") <= 64


async def test_a_picker_carries_known_fields_and_plain_values_only(world: World) -> None:
    row = {"slug": "a", "models": ["m", 5], "api_url": "http://secret", "name": {"x": 1}}
    await world.ask(world.worker(), 1, "model_picker", providers=[row])
    assert world.adapter.shown[0]["providers"] == [
        {"models": ["m", "5"], "name": "{'x': 1}", "slug": "a"}
    ]


@pytest.mark.parametrize("providers", [5, "text", [1], [["slug", "x"]], {"slug": "x"}])
async def test_a_picker_without_rows_is_refused(world: World, providers: object) -> None:
    with pytest.raises(RelayRefused):
        await world.ask(world.worker(), 1, "model_picker", providers=providers)
    assert world.adapter.shown == []
    assert world.front.known == []


# -- answers


async def test_a_click_is_told_to_the_worker_by_its_call_and_only_once(world: World) -> None:
    worker, other = world.worker(), world.worker()
    await world.ask(other, 7, "exec_approval", command="other")
    prompt = await world.ask(worker, 7, "exec_approval", command="x")
    assert prompt.owner.answer(prompt, "once")
    assert not prompt.owner.answer(prompt, "always")
    await gone(worker)
    assert world.sent == [msg.Resolve(id=1, call=7, answer=["once"])]
    assert (len(worker), len(other)) == (0, 1)


async def test_a_turn_waits_while_an_approval_or_a_question_is_open(world: World) -> None:
    worker = world.worker()
    await world.ask(worker, 1, "model_picker", providers=[])
    waited = [worker.waits]  # nobody has to choose a model before the turn goes on
    approval = await world.ask(worker, 2, "exec_approval", command="x")
    await world.ask(worker, 3, "clarify", question="?")
    waited.append(worker.waits)
    worker.answer(approval, "once")
    waited.append(worker.waits)
    worker.note(msg.Closed(call=3))
    waited.append(worker.waits)
    await gone(worker)
    assert waited == [False, True, True, False]


async def test_a_person_who_wants_to_type_leaves_the_question_open(world: World) -> None:
    worker = world.worker()
    prompt = await world.ask(worker, 1, "clarify", question="?", choices=["a", 2])
    assert world.adapter.shown[0]["choices"] == ["a", "2"]
    assert worker.answer(prompt, typed=True)
    await gone(worker)
    assert world.sent == [msg.Resolve(id=1, call=1, answer=[], typed=True)]
    assert world.registry.find(prompt.id) is prompt
    worker.note(msg.Closed(call=1))
    assert world.registry.find(prompt.id) is None
    assert not worker.answer(prompt, "a")


async def test_a_confirmation_returns_what_the_worker_says(world: World) -> None:
    worker: OpenPrompts

    async def resolve(message: Any) -> None:
        worker.note(msg.Resolved(id=message.id, value=f"did {message.answer[0]}"))

    worker = world.worker(resolve)
    prompt = await world.ask(worker, 1, "slash_confirm")
    assert await worker.confirmed(prompt, "always") == "did always"
    assert await worker.confirmed(prompt, "always") is None


async def test_a_slow_confirmation_holds_nobody_up_and_is_shown_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "CONFIRM_SECONDS", 0.01)
    worker = world.worker()
    prompt = await world.ask(worker, 1, "slash_confirm")
    assert await worker.confirmed(prompt, "once") is None
    worker.note(msg.Resolved(id=1, value="done at last"))
    await gone(worker)
    assert world.late == ["done at last"]


async def test_a_choice_returns_text_and_the_workers_error_is_raised(world: World) -> None:
    worker: OpenPrompts
    answers = iter([{"value": "switched"}, {"error": "no such model"}])

    async def resolve(message: Any) -> None:
        world.sent.append(message)
        worker.note(msg.Resolved(id=message.id, **next(answers)))

    worker = world.worker(resolve)
    await world.ask(worker, 1, "model_picker", providers=[])
    pick = world.adapter.shown[0]["on_model_selected"]
    assert await pick("-100", "model", "provider") == "switched"
    assert world.sent == [msg.Resolve(id=1, call=1, answer=["model", "provider"])]
    with pytest.raises(PromptGone):
        await pick("-100", "model", "provider")
    await world.ask(worker, 2, "choice_picker", choices=[])
    with pytest.raises(RuntimeError, match="no such model"):
        await world.adapter.shown[1]["on_choice_selected"]("-100", "high")


# -- ends


async def test_the_end_of_a_worker_closes_all_that_is_open_and_frees_who_waits(
    world: World,
) -> None:
    worker = world.worker()
    await world.ask(worker, 1, "clarify", question="?")
    await world.ask(worker, 2, "model_picker", providers=[])
    pick = world.adapter.shown[1]["on_model_selected"]

    async def picking() -> None:
        with pytest.raises(PromptGone):
            await pick("-100", "model", "provider")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(picking)
        await anyio.wait_all_tasks_blocked()
        worker.end()
    assert world.front.known == []
    with pytest.raises(RelayRefused):
        await world.ask(worker, 3, "clarify", question="?")


async def test_a_prompt_that_appears_while_its_worker_ends_is_closed(world: World) -> None:
    world.adapter.hold = anyio.Event()
    worker = world.worker()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.ask_only, worker, 1)
        await anyio.wait_all_tasks_blocked()
        [prompt] = world.front.known
        worker.end()
        # The adapter remembers a prompt when it has been shown: it must be told once more.
        world.front.known.append(prompt)
        world.adapter.hold.set()
    assert world.front.known == []


async def test_a_prompt_that_is_not_shown_or_not_in_time_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = world.worker()
    world.adapter.result = Sent(success=False)
    await world.ask_only(worker, 1)
    assert world.front.known == []
    monkeypatch.setattr(prompts, "SHOW_SECONDS", 0.01)
    world.adapter.hold = anyio.Event()
    with pytest.raises(TimeoutError):
        await world.ask_only(worker, 2)
    assert world.front.known == []
    assert len(worker) == 0


async def test_a_worker_that_is_gone_is_no_error_for_who_clicks(world: World) -> None:
    async def broken(_message: Any) -> None:
        raise BrokenPipeError

    worker = world.worker(broken)
    confirm = await world.ask(worker, 1, "slash_confirm")
    assert await worker.confirmed(confirm, "once") is None
    approval = await world.ask(worker, 2, "exec_approval")
    worker.answer(approval, "once")
    await gone(worker)


# -- hostile workers


async def test_open_prompts_are_bounded_and_the_oldest_goes(world: World) -> None:
    worker = world.worker()
    first = await world.ask(worker, 0, "exec_approval")
    for call in range(1, 3 * MAX_OPEN):
        await world.ask(worker, call, "exec_approval")
    assert len(worker) == len(world.front.known) == MAX_OPEN
    assert world.registry.find(first.token) is None


async def test_one_call_cannot_ask_twice(world: World) -> None:
    worker = world.worker()
    prompt = await world.ask(worker, 1, "exec_approval")
    with pytest.raises(RelayRefused):
        await world.ask(worker, 1, "exec_approval")
    assert world.front.known == [prompt]


async def test_a_worker_closes_and_resolves_its_own_prompts_only(world: World) -> None:
    mine, other = world.worker(), world.worker()
    prompt = await world.ask(mine, 5, "slash_confirm")
    other.note(msg.Closed(call=5))
    assert world.registry.find(prompt.id) is prompt
    with pytest.raises(ProtocolError):
        other.note(msg.Resolved(id=1, value="not asked"))


async def test_answers_to_clicks_that_nobody_waits_for_are_dropped(world: World) -> None:
    worker = world.worker()
    prompt = await world.ask(worker, 1, "exec_approval")
    worker.answer(prompt, "once")
    for _ in range(3):
        worker.note(msg.Resolved(id=1, value="again"))
    assert world.late == []


async def test_a_long_answer_is_cut(world: World) -> None:
    worker: OpenPrompts

    async def resolve(message: Any) -> None:
        worker.note(msg.Resolved(id=message.id, value="x" * 500_000))

    worker = world.worker(resolve)
    text = await worker.confirmed(await world.ask(worker, 1, "slash_confirm"), "once")
    assert text is not None
    assert len(text) == prompts.MAX_TEXT


async def test_what_cannot_be_brought_back_is_not_asked(world: World) -> None:
    world.registry.methods = frozenset({"send_clarify"})
    with pytest.raises(RelayRefused):
        await world.ask(world.worker(), 1, "exec_approval")
    assert world.adapter.shown == []


async def test_names_that_are_no_text_find_nothing(world: World) -> None:
    names: tuple[object, ...] = (None, 5, ["x"], {}, b"x")
    for name in names:
        assert world.registry.find(name) is None
