"""What adapters remember of prompts: forgotten everywhere, pickers by message, guarded clicks."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.features.adapters import prompts
from hermes_router.hermes.features.adapters.prompts import PickerStates, forget, keep_pickers_apart
from hermes_router.relay.prompts import OpenPrompts, Prompt, PromptRegistry

CHAT = "-100"


def a_prompt(number: int, adapter: Any = None) -> Prompt:
    async def nothing(_: Any) -> None: ...

    name = f"hr{number:012x}"
    owner = OpenPrompts(PromptRegistry(), nothing, nothing)
    return Prompt(
        name,
        f"agent:main:x:{name}",
        "send_model_picker",
        number,
        adapter,
        owner,
        lambda _user: None,
    )


@dataclass
class Adapter:
    """Keeps one picker per chat, like Telegram's."""

    allowed: bool = True
    seen: list[Any] = field(default_factory=list)
    _model_picker_state: dict[str, Any] = field(default_factory=dict)

    async def _handle_model_picker_callback(self, query: Any, data: str, chat_id: str) -> None:
        state = self._model_picker_state.get(chat_id)
        self.seen.append(state and state["name"])
        await asyncio.sleep(0)
        self._model_picker_state.pop(chat_id, None)

    def _is_callback_user_authorized(self, user_id: str, **_place: Any) -> bool:
        return self.allowed


class Query:
    def __init__(self, message_id: int) -> None:
        self.message = SimpleNamespace(message_id=message_id, chat_id=CHAT, chat=None)
        self.from_user = SimpleNamespace(id=1, first_name="Ada")
        self.answers: list[str] = []

    async def answer(self, text: str) -> None:
        self.answers.append(text)


async def clicked(adapter: Any, message_id: int) -> list[str]:
    query = Query(message_id)
    await adapter._handle_model_picker_callback(query, "mm:0", CHAT)
    await asyncio.gather(*prompts._clicks)
    return query.answers


def picker(name: str, message: int, session_key: str) -> dict[str, Any]:
    return {"name": name, "msg_id": message, "session_key": session_key}


@pytest.fixture
def adapter() -> Adapter:
    """An adapter with an own picker and two routed ones in one chat."""
    adapter = Adapter()
    adapter._model_picker_state[CHAT] = picker("own", 1, "agent:main:telegram:group:-100:1")
    keep_pickers_apart(adapter)
    for number in (2, 3):
        adapter._model_picker_state[CHAT] = picker(
            f"routed {number}", number, a_prompt(number).token
        )
    return adapter


async def test_each_click_finds_the_picker_of_its_message(adapter: Adapter) -> None:
    for message in (3, 1, 2):
        await clicked(adapter, message)
    assert adapter.seen == ["routed 3", "own", "routed 2"]


async def test_a_click_on_a_closed_picker_does_not_find_another_one(adapter: Adapter) -> None:
    forget(adapter, a_prompt(2).token, a_prompt(2).id)
    for message in (2, 3, 3):
        await clicked(adapter, message)
    assert adapter.seen == [None, "routed 3", None]
    assert adapter._model_picker_state[CHAT]["name"] == "own"


async def test_two_clicks_at_once_do_not_meet(adapter: Adapter) -> None:
    await asyncio.gather(*(clicked(adapter, message) for message in (2, 1, 3)))
    assert set(adapter.seen) == {"own", "routed 2", "routed 3"}
    assert dict(adapter._model_picker_state) == {}


async def test_who_may_not_use_the_gateway_may_not_pick(adapter: Adapter) -> None:
    adapter.allowed = False
    assert await clicked(adapter, 2) == ["⛔ You are not authorized to change this setting."]
    assert adapter.seen == []
    assert await clicked(adapter, 1) == []
    assert adapter.seen == ["own"]


async def test_an_adapter_is_prepared_once(adapter: Adapter) -> None:
    states, handler = adapter._model_picker_state, adapter._handle_model_picker_callback
    keep_pickers_apart(adapter)
    assert adapter._model_picker_state is states
    assert adapter._handle_model_picker_callback is handler


def test_old_pickers_are_forgotten() -> None:
    states = PickerStates({})
    for number in range(2000):
        states[CHAT] = picker("x", number, a_prompt(number).token)
    assert len(states._routed) <= 512
    assert states.routed(CHAT, "0") is None


def test_a_prompt_is_forgotten_in_all_shapes_that_adapters_keep() -> None:
    gone, kept = a_prompt(1), a_prompt(2)

    def shapes(prompt: Prompt) -> dict[str, dict[Any, Any]]:
        number, token = prompt.call, prompt.token
        return {
            "_approval_state": {number: token},
            "_feishu_approval_state": {number: {"session_key": token, "chat_id": CHAT}},
            "_approval_prompts_by_event": {number: SimpleNamespace(session_key=token)},
            "_approval_prompt_by_session": {token: number},
            "_slash_confirm_state": {prompt.id: token},
        }

    state = {name: one | shapes(kept)[name] for name, one in shapes(gone).items()}
    adapter = SimpleNamespace(**state, _messages={1: gone.token}, _approval_counter=3)
    forget(adapter, gone.token, gone.id)
    assert {name: vars(adapter)[name] for name in state} == shapes(kept)
    assert adapter._messages == {1: gone.token}


class AnAdapter(SimpleNamespace):
    """As adapters are, and unlike its base: something that may be referred to weakly."""


def test_what_an_adapter_tells_too_late_clicks_from_is_left_for_so_many_prompts() -> None:
    adapter = AnAdapter(_clarify_state={}, _notify_clarify_expired=None, _approval_state={})
    tables = prompts._HermesTables()

    def close(number: int, method: str) -> Prompt:
        prompt = a_prompt(number, adapter)
        prompt.method = method
        adapter._clarify_state[prompt.id] = adapter._approval_state[number] = prompt.token
        tables.closed(prompt)
        tables.closed(prompt)
        return prompt

    close(0, "send_exec_approval")  # this adapter would confirm a late click
    assert adapter._clarify_state == adapter._approval_state == {}
    first, *_, last = [close(number, "send_clarify") for number in range(1, 600)]
    assert first.id not in adapter._clarify_state
    assert adapter._clarify_state[last.id] == last.token
    assert len(adapter._clarify_state) == len(adapter._approval_state) == 512


def test_an_adapter_that_was_replaced_is_not_kept_for_late_clicks() -> None:
    adapter = AnAdapter(_clarify_state={}, _notify_clarify_expired=None)
    left, tables = weakref.ref(adapter), prompts._HermesTables()
    for number in range(600):
        prompt = a_prompt(number, adapter)
        prompt.method = "send_clarify"  # of which this adapter tells late clicks
        tables.closed(prompt)
    assert tables._expired
    del adapter, prompt
    gc.collect()
    assert left() is None
    later = a_prompt(600, AnAdapter(_clarify_state={}, _notify_clarify_expired=None))
    later.method = "send_clarify"
    tables.closed(later)  # the oldest makes room for it, and its adapter is gone
