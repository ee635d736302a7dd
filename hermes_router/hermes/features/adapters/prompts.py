"""Where clicks arrive in the gateway, and how one on a routed prompt is passed on to its worker.

Adapters resolve a click through three Hermes modules, which they import at that moment:
``tools.approval``, ``tools.clarify_gateway`` and ``tools.slash_confirm``. Their functions are
wrapped as attributes of those modules: what names a routed prompt goes to its worker, everything
else is Hermes's own. Pickers hold a callback instead, and an adapter may keep one picker per chat:
see :class:`PickerStates`.

Who may click is decided by the adapter before any of that, with one exception:
:func:`_guarded_pick`.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from hermes_router.bounded import BoundedMap
from hermes_router.hermes.compat.replacing.adapter_patches import CLICK, replace
from hermes_router.relay.prompts import Prompt, PromptRegistry, is_token
from hermes_router.tasks import BackgroundTasks

logger = logging.getLogger(__name__)

#: What a click on a prompt needs of Hermes; a method whose need is not met is asked by text.
_NEEDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "send_exec_approval": ("tools.approval", ("resolve_gateway_approval",)),
    "send_clarify": (
        "tools.clarify_gateway",
        ("register", "resolve_gateway_clarify", "mark_awaiting_text", "clear_session"),
    ),
    "send_slash_confirm": ("tools.slash_confirm", ("resolve",)),
    "send_model_picker": ("tools.approval", ()),
    "send_choice_picker": ("tools.approval", ()),
}

_PICKERS = frozenset({"send_model_picker", "send_choice_picker"})
_STATE_SUFFIX = "_picker_state"
_STATE_WORDS = ("approval", "clarify", "confirm", "prompt", "picker")
_REMEMBERED_PICKERS = 512
_MAX_POPUP = 200  # characters that Telegram takes for the answer to a click
_NOT_ASKED = "⛔ Somebody else was asked."
_NOT_YOURS = "⛔ You are not authorized to change this setting."

_registry = PromptRegistry()
_clicks = BackgroundTasks()


def install() -> PromptRegistry:
    """Wrap the resolvers, once per process, and return the desk of all prompts."""
    if _registry.fronts is None:
        _registry.fronts = _HermesFronts()
        _registry.methods = frozenset(name for name, need in _NEEDS.items() if _met(name, *need))
        _wrap_resolvers()
    return _registry


def answerable(methods: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Leave out the prompt methods whose clicks this Hermes gives no way to bring back."""
    return {
        name: parameters
        for name, parameters in methods.items()
        if name not in _NEEDS or name in _registry.methods
    }


def _met(method: str, module_name: str, names: tuple[str, ...]) -> bool:
    module = _module(module_name)
    missing = [name for name in names if not callable(getattr(module, name, None))]
    if missing:
        logger.warning(
            "hermes-router: this Hermes lacks %s.%s; routed conversations are asked by text "
            "where %s would show buttons",
            module_name,
            missing[0],
            method,
        )
    return not missing


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# -- resolvers -------------------------------------------------------------------------------------


def _wrap_resolvers() -> None:
    wrappers: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        ("tools.approval", "resolve_gateway_approval", _approve),
        ("tools.approval", "has_blocking_approval", _has_approval),
        ("tools.clarify_gateway", "resolve_gateway_clarify", _clarify),
        ("tools.clarify_gateway", "mark_awaiting_text", _clarify_by_text),
        ("tools.slash_confirm", "resolve", _confirm),
    )
    for module_name, name, wrapper in wrappers:
        module = _module(module_name)
        original = getattr(module, name, None)
        if original is not None:
            setattr(module, name, functools.partial(wrapper, original))


def _approve(original: Callable[..., int], session_key: str, choice: str, *a: Any, **k: Any) -> int:
    prompt = _registry.find(session_key)
    if prompt is None:
        return original(session_key, choice, *a, **k)
    return int(prompt.owner.answer(prompt, choice))


def _has_approval(original: Callable[..., bool], session_key: str) -> bool:
    return _registry.find(session_key) is not None or original(session_key)


def _clarify(original: Callable[..., bool], clarify_id: str, response: Any) -> bool:
    prompt = _registry.find(clarify_id)
    if prompt is None:
        return original(clarify_id, response)
    return prompt.owner.answer(prompt, "" if response is None else str(response))


def _clarify_by_text(original: Callable[..., bool], clarify_id: str) -> bool:
    prompt = _registry.find(clarify_id)
    if prompt is not None:
        prompt.owner.answer(prompt, typed=True)
    return original(clarify_id)


async def _confirm(
    original: Callable[..., Any], session_key: str, confirm_id: str, choice: str, *a: Any, **k: Any
) -> str | None:
    prompt = _registry.find(session_key)
    if prompt is None:
        text: str | None = await original(session_key, confirm_id, choice, *a, **k)
        return text
    return await prompt.owner.confirmed(prompt, choice) if prompt.id == confirm_id else None


# -- what is known of a prompt in the gateway ------------------------------------------------------


class _HermesFronts:
    """Makes prompts known to Hermes's modules and adapters, and forgets them there."""

    def opened(self, prompt: Prompt) -> None:
        """Do what Hermes or the adapter would have to find when the click comes."""
        if prompt.method == "send_clarify":
            # A click looks the text of its choice up here. Under a session key of its own: it
            # must not look as if a session of the gateway waited for an answer.
            importlib.import_module("tools.clarify_gateway").register(
                prompt.id,
                prompt.token,
                str(prompt.arguments.get("question", "")),
                prompt.arguments.get("choices"),
            )
        elif prompt.method in _PICKERS:
            keep_pickers_apart(prompt.adapter)

    def closed(self, prompt: Prompt) -> None:
        """Let a late click be answered as the adapter answers one that is too late."""
        if prompt.method == "send_clarify":
            importlib.import_module("tools.clarify_gateway").clear_session(prompt.token)
        forget(prompt.adapter, prompt)


def forget(adapter: Any, prompt: Prompt) -> None:
    """Take a prompt out of whatever the adapter remembers its open prompts in.

    Adapters keep them in mappings of their own, by the session key, the prompt's id or a number,
    and the session key is always in it.
    """
    for name, state in list(vars(adapter).items()):
        if isinstance(state, PickerStates):
            state.retire(prompt.token)
        elif isinstance(state, dict) and any(word in name for word in _STATE_WORDS):
            gone = [key for key, value in state.items() if _names(key, value, prompt)]
            for key in gone:
                state.pop(key, None)


def _names(key: object, value: object, prompt: Prompt) -> bool:
    if isinstance(value, Mapping):
        value = value.get("session_key")
    elif not isinstance(value, str):
        value = getattr(value, "session_key", None)
    return key in (prompt.token, prompt.id) or value == prompt.token


# -- whose click it is -----------------------------------------------------------------------------


def keep_clicks_personal(adapter: Any) -> None:
    """Have an adapter refuse a click on a prompt of one person's session by somebody else.

    A typed answer reaches the session of who typed it; a click knows no session.
    """

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle(update: Any, context: Any) -> None:
            query = getattr(update, "callback_query", None)
            message = getattr(query, "message", None)
            chat, number = getattr(message, "chat_id", None), getattr(message, "message_id", None)
            prompt = _registry.shown_by(adapter, chat, number)
            user = str(getattr(getattr(query, "from_user", None), "id", ""))
            if query is not None and prompt is not None and _is_anothers(prompt, user):
                await query.answer(text=_NOT_ASKED)
            else:
                await original(update, context)

        return handle

    replace(adapter, CLICK, _registry, around)


def _is_anothers(prompt: Prompt, user: str) -> bool:
    return prompt.users is not None and user not in prompt.users


# -- pickers ---------------------------------------------------------------------------------------

_State = dict[str, Any]
#: The state of the routed picker that a click is being handled for: a list with it or with None.
_clicked: ContextVar[list[_State | None] | None] = ContextVar("clicked", default=None)


class PickerStates(dict[str, Any]):
    """An adapter's open pickers by chat, with those of routed conversations kept by message.

    An adapter that remembers one picker per chat would have the picker of one topic answer the
    click in another one, which may belong to another profile. Routed pickers never get into the
    mapping that the adapter sees, except for the time of a click on their own message; a click on
    one that is closed finds nothing, and not what else is open in the chat.
    """

    def __init__(self, states: Mapping[str, Any]) -> None:
        super().__init__(states)
        self._routed: BoundedMap[tuple[str, str], _State | None] = BoundedMap(_REMEMBERED_PICKERS)

    def __setitem__(self, chat: str, state: Any) -> None:
        if isinstance(state, dict) and is_token(state.get("session_key")):
            self._routed[chat, str(state.get("msg_id"))] = state
        else:
            super().__setitem__(chat, state)

    def get(self, chat: str, default: Any = None) -> Any:
        """Return the clicked picker of a routed conversation, or the chat's own."""
        clicked = _clicked.get()
        return super().get(chat, default) if clicked is None else clicked[0] or default

    def pop(self, chat: str, *default: Any) -> Any:
        """Forget the clicked picker of a routed conversation, or the chat's own."""
        clicked = _clicked.get()
        if clicked is None:
            return super().pop(chat, *default)
        state, clicked[0] = clicked[0], None
        if state is not None:
            self.retire(state.get("session_key"))
            prompt = _registry.find(state.get("session_key"))
            if prompt is not None:
                prompt.owner.answer(prompt)  # cancelled: the worker need not wait any longer
        return state if state is not None or not default else default[0]

    def routed(self, chat: str, message: str) -> list[_State | None] | None:
        """Return the routed picker of a message: its state, or None in it once it is closed."""
        place = chat, message
        return [self._routed[place]] if place in self._routed else None

    def retire(self, token: object) -> None:
        """Close a picker but remember that its message showed one."""
        for place, state in list(self._routed.items()):
            if state is not None and state.get("session_key") == token:
                self._routed[place] = None


def keep_pickers_apart(adapter: Any) -> None:
    """Have an adapter that remembers one picker per chat keep routed ones by message."""
    for name, states in list(vars(adapter).items()):
        kind = name.removesuffix(_STATE_SUFFIX)
        handler = f"_handle{kind}_picker_callback"
        if kind == name or type(states) is not dict or not hasattr(adapter, handler):
            continue
        setattr(adapter, name, PickerStates(states))
        setattr(adapter, handler, _by_message(adapter, name, getattr(adapter, handler)))


def _by_message(adapter: Any, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def handle(query: Any, data: str, chat_id: str) -> None:
        states = getattr(adapter, name)
        message = getattr(getattr(query, "message", None), "message_id", None)
        routed = states.routed(str(chat_id), str(message)) if _is_ours(states) else None
        if routed is None:
            await original(query, data, chat_id)
            return
        # As a task: the adapter goes on to the next update while the worker switches its model.
        pick = functools.partial(original, query, data, chat_id)
        _clicks.start(_guarded_pick(adapter, routed, pick, query))

    return handle


def _is_ours(states: Any) -> bool:
    return isinstance(states, PickerStates)


async def _guarded_pick(
    adapter: Any, routed: list[_State | None], original: Callable[[], Any], query: Any
) -> None:
    """Handle a click on a routed picker, by somebody who may.

    Hermes asks that for its other buttons, but not for the model picker: there anybody in the group
    could change the model. And a picker does what a command does, so that the gateway's rules for
    who may use that command hold for the click too.
    """
    try:
        refusal = _refusal(adapter, routed[0], query)
        if refusal:
            await query.answer(text=refusal[:_MAX_POPUP])
            return
        _clicked.set(routed)
        await original()
    except Exception:
        logger.exception("hermes-router: a click on a picker failed")


def _refusal(adapter: Any, state: _State | None, query: Any) -> str | None:
    """Return what somebody is told who may not use this picker."""
    user = getattr(query, "from_user", None)
    if not _authorized(adapter, query, user):
        return _NOT_YOURS
    prompt = _registry.find(state.get("session_key")) if state is not None else None
    return prompt.refuses(str(getattr(user, "id", ""))) if prompt is not None else None


def _authorized(adapter: Any, query: Any, user: Any) -> bool:
    check = getattr(adapter, "_is_callback_user_authorized", None)
    if check is None:
        return True
    message = getattr(query, "message", None)
    kind = getattr(getattr(message, "chat", None), "type", None)
    thread = getattr(message, "message_thread_id", None)
    return bool(
        check(
            str(getattr(user, "id", "")),
            chat_id=getattr(message, "chat_id", None),
            chat_type=str(kind) if kind is not None else None,
            thread_id=str(thread) if thread is not None else None,
            user_name=getattr(user, "first_name", None),
        )
    )
