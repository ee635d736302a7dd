"""Pass a click on a routed prompt from the gateway to the worker that showed the prompt.

A routed prompt is one that a worker has shown. An adapter resolves a click through Hermes's tables
of open prompts. A routed prompt is entered there too, see
:mod:`hermes_router.hermes.compat.clicks`, and its answer goes to its worker. Pickers hold a
callback instead, and an adapter may keep one picker per chat: see :class:`PickerStates`.

The adapter checks who may click before all of that, with one exception: :func:`_guarded_pick`.
"""

from __future__ import annotations

import functools
import logging
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.hermes.compat import clicks
from hermes_router.hermes.compat.replacing.adapter_patches import CLICK, replace
from hermes_router.relay.prompts import Prompt, PromptRegistry, is_token

logger = logging.getLogger(__name__)

_STATE_SUFFIX = "_picker_state"
_STATE_WORDS = ("approval", "clarify", "confirm", "prompt", "picker")
_REMEMBERED = 512  # pickers, and closed prompts that may still get a late click
_MAX_POPUP = 200  # characters that Telegram accepts for the answer to a click
_NOT_ASKED = "⛔ This question is for another person."
_NOT_YOURS = "⛔ You are not authorized to change this setting."

_registry = PromptRegistry()
_clicks = BackgroundTasks()


def install() -> PromptRegistry:
    """Return the registry of this gateway's open prompts.

    The first call connects it with Hermes's tables of prompts, so that clicks find routed prompts
    there.
    """
    if _registry.tables is None:
        _registry.tables = _HermesTables()
        _registry.methods = clicks.answerable()
        clicks.note_typed_by(_clarify_by_text)
    return _registry


def answerable(methods: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the relayed methods without those whose clicks this Hermes cannot pass to a worker.

    ``methods`` maps each method to the parameters that the adapter accepts. The worker's Hermes
    asks by text where a method is left out.
    """
    return {
        name: parameters
        for name, parameters in methods.items()
        if name not in clicks.NEEDS or name in _registry.methods
    }


def _clarify_by_text(original: Callable[..., bool], clarify_id: str) -> bool:
    prompt = _registry.find(clarify_id)
    if prompt is not None:
        prompt.owner.answer(prompt, typed=True)
    return original(clarify_id)


# -- what is known of a prompt in the gateway ------------------------------------------------------


class _HermesTables:
    """Enters prompts into Hermes's modules and adapters, and removes them from there."""

    def __init__(self) -> None:
        self._expired: deque[tuple[weakref.ref[Any], str, str]] = deque()

    def opened(self, prompt: Prompt) -> None:
        """Enter a prompt where Hermes or the adapter looks it up when the click comes.

        The entry has a session key of the prompt's own. It must not look as if a session of the
        gateway waited for an answer.
        """
        answer = functools.partial(prompt.owner.answer, prompt)
        match prompt.method:
            case "send_exec_approval":
                clicks.open_approval(prompt.token, answer)
            case "send_clarify":
                question = str(prompt.arguments.get("question", ""))
                choices = prompt.arguments.get("choices")
                clicks.open_question(prompt.id, prompt.token, question, choices, answer)
            case "send_slash_confirm":
                confirmed = functools.partial(prompt.owner.confirmed, prompt)
                clicks.open_confirmation(prompt.token, prompt.id, confirmed)
            case "send_model_picker" | "send_choice_picker":
                keep_pickers_apart(prompt.adapter)

    def closed(self, prompt: Prompt) -> None:
        """Close a prompt, so that the adapter answers a late click with its usual notice.

        Some adapters also remove the buttons after a late click, if they still remember the prompt.
        For these adapters the newest closed prompts stay remembered, up to ``_REMEMBERED``.
        """
        close = _CLOSE.get(prompt.method)
        if close is not None:
            close(prompt.token)
        if clicks.tells_expired(prompt.adapter, prompt.method):
            self._leave(prompt)
        else:
            forget(prompt.adapter, prompt.token, prompt.id)

    def _leave(self, prompt: Prompt) -> None:
        entry = weakref.ref(prompt.adapter), prompt.token, prompt.id
        if entry not in self._expired:
            self._expired.append(entry)
        while len(self._expired) > _REMEMBERED:
            reference, token, number = self._expired.popleft()
            if (adapter := reference()) is not None:  # not one that was replaced since
                forget(adapter, token, number)


_CLOSE: Mapping[str, Callable[[str], None]] = {
    "send_exec_approval": clicks.close_approval,
    "send_clarify": clicks.close_question,
    "send_slash_confirm": clicks.close_confirmation,
}


def forget(adapter: Any, token: str, number: str) -> None:
    """Remove a prompt from all mappings in which the adapter keeps open prompts.

    ``token`` is the session key that the adapter was given with it, ``number`` the prompt's id.
    Adapters key these mappings by the session key, the prompt's id or a number; the session key is
    always in the key or in the value.
    """
    for name, state in list(vars(adapter).items()):
        if isinstance(state, PickerStates):
            state.retire(token)
        elif isinstance(state, dict) and any(word in name for word in _STATE_WORDS):
            gone = [key for key, value in state.items() if _names(key, value, token, number)]
            for key in gone:
                state.pop(key, None)


def _names(key: object, value: object, token: str, number: str) -> bool:
    if isinstance(value, Mapping):
        value = value.get("session_key")
    elif not isinstance(value, str):
        value = getattr(value, "session_key", None)
    return key in (token, number) or value == token


# -- whose click it is -----------------------------------------------------------------------------


def keep_clicks_personal(adapter: Any) -> None:
    """Wrap an adapter so that only those who are asked can click on a prompt.

    In one person's session that is this person. Everywhere it is only people whose messages there
    go to the same profile. Somebody else gets a notice. Without this, anybody in the group could
    click, because a click names no session. A button of an approval from before a restart does
    nothing, too.
    """

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle(update: Any, context: Any) -> None:
            query = getattr(update, "callback_query", None)
            message = getattr(query, "message", None)
            chat, number = getattr(message, "chat_id", None), getattr(message, "message_id", None)
            prompt = _registry.shown_by(adapter, chat, number)
            user = str(getattr(getattr(query, "from_user", None), "id", ""))
            if query is not None and prompt is not None and not prompt.may_answer(user):
                await query.answer(text=_NOT_ASKED)
            else:
                await original(update, context)

        return handle

    clicks.number_approvals_apart(adapter)
    replace(adapter, CLICK, _registry, around)


# -- pickers ---------------------------------------------------------------------------------------

_State = dict[str, Any]
#: The state of the routed picker that is being clicked, in a list: adapters take it out.
_clicked: ContextVar[list[_State | None] | None] = ContextVar("clicked", default=None)


class PickerStates(dict[str, Any]):
    """An adapter's open pickers by chat; those of routed conversations are kept by message.

    An adapter that remembers one picker per chat would let the picker of one topic answer a click
    in another topic, perhaps another profile's. So the adapter does not see routed pickers in this
    mapping, except while it handles a click on their own message. A click on a closed routed picker
    finds nothing, and never another picker that is open in the chat.
    """

    def __init__(self, states: Mapping[str, Any]) -> None:
        super().__init__(states)
        self._routed: BoundedMap[tuple[str, str], _State | None] = BoundedMap(_REMEMBERED)

    def __setitem__(self, chat: str, state: Any) -> None:
        if isinstance(state, dict) and is_token(state.get("session_key")):
            self._routed[chat, str(state.get("msg_id"))] = state
        else:
            super().__setitem__(chat, state)

    def get(self, chat: str, default: Any = None) -> Any:
        """Return the state of the routed picker that is being clicked, or else the chat's own."""
        clicked = _clicked.get()
        return super().get(chat, default) if clicked is None else clicked[0] or default

    def pop(self, chat: str, *default: Any) -> Any:
        """Remove the state of the routed picker that is being clicked, or else the chat's own.

        Returns the removed state. If the routed picker's prompt is still open, nobody has chosen:
        its worker is told that the person cancelled.
        """
        clicked = _clicked.get()
        if clicked is None:
            return super().pop(chat, *default)
        state, clicked[0] = clicked[0], None
        if state is not None:
            self.retire(state.get("session_key"))
            prompt = _registry.find(state.get("session_key"))
            if prompt is not None:
                prompt.owner.answer(prompt)  # cancelled: the worker stops waiting
        return state if state is not None or not default else default[0]

    def routed(self, chat: str, message: str) -> list[_State | None] | None:
        """Return a list with the state of a message's routed picker, or with None if it is closed.

        Returns None if the message shows no routed picker. The wrapped method for clicks asks this
        before the adapter handles the click.
        """
        place = chat, message
        return [self._routed[place]] if place in self._routed else None

    def retire(self, token: object) -> None:
        """Close the picker with this token; a later click on its message then finds nothing."""
        for place, state in list(self._routed.items()):
            if state is not None and state.get("session_key") == token:
                self._routed[place] = None


def keep_pickers_apart(adapter: Any) -> None:
    """Have an adapter that remembers one picker per chat keep routed pickers by their message.

    Its mapping of open pickers is replaced by a :class:`PickerStates`, and its method for clicks on
    pickers is wrapped. Other adapters are left as they are.
    """
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
        # As a task: the adapter handles its next update while the worker switches its model.
        pick = functools.partial(original, query, data, chat_id)
        _clicks.start(_guarded_pick(adapter, routed, pick, query))

    return handle


def _is_ours(states: Any) -> bool:
    return isinstance(states, PickerStates)


async def _guarded_pick(
    adapter: Any, routed: list[_State | None], original: Callable[[], Any], query: Any
) -> None:
    """Handle a click on a routed picker, after a check that this user may click.

    Hermes checks this for its other buttons, but not for the model picker: anybody in the group
    could change the model. A picker does what a command does. So the gateway's rules about who may
    use that command apply to the click too.
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
    """Return the refusal for a user who may not use this picker, or None."""
    user = getattr(query, "from_user", None)
    if not clicks.may_click(adapter, query, user):
        return _NOT_YOURS
    prompt = _registry.find(state.get("session_key")) if state is not None else None
    return prompt.refuses(str(getattr(user, "id", ""))) if prompt is not None else None
