"""One conversation, by Hermes's session keys, whose messages name their place in several ways."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import Platform
from gateway.platforms.base import MessageEvent
from gateway.session import SessionSource

from hermes_router.base.errors import RelayRefused
from hermes_router.hermes.compat.seams import message_sources
from hermes_router.hermes.conversation import GatewayConversation, SessionName
from hermes_router.profiles.model import Profile
from hermes_router.relay.attachments import Spool

_PERSON = ("15551234567@s.whatsapp.net", "15551234567")


class Adapter:
    is_connected = True

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.sent: list[tuple[str, Any]] = []

    async def send(self, chat_id: str, content: str, metadata: Any = None) -> Any:
        self.sent.append((chat_id, (metadata or {}).get("thread_id")))
        return SimpleNamespace(success=True, message_id=content, retryable=False)


def conversation_of(adapter: Adapter, sources: list[SessionSource]) -> GatewayConversation:
    """Return the conversation in which a message of each source came; they have one key."""
    [key] = {
        message_sources.session_key(source, group_per_user=True, thread_per_user=False)
        for source in sources
    }
    runner = SimpleNamespace(
        adapters={adapter.platform: adapter},
        _profile_adapters={},
        _running=True,
        _session_key_for_source=lambda source: key,
    )
    unused: Any = None
    conversation = GatewayConversation(
        runner,
        Profile("career", Path("/nowhere")),
        SessionName(key),
        config=lambda: None,
        attended=lambda: False,
        notes=unused,
        menus=unused,
    )
    for number, source in enumerate(sources):
        conversation.note(MessageEvent(text="x", source=source, message_id=str(number)))
    return conversation


async def send(conversation: GatewayConversation, chat: str, thread: str | None = None) -> None:
    call = {"chat_id": chat, "content": "hello", "metadata": {"thread_id": thread}}

    async def ask(*_args: Any, **_more: Any) -> None:
        """Stand for what shows a prompt; nothing here is one."""

    await conversation.execute("send", call, Spool(limit=0), ask)


@pytest.mark.parametrize("forms", [_PERSON, _PERSON[::-1]])
async def test_a_chat_on_whatsapp_may_have_two_ids(forms: tuple[str, str]) -> None:
    adapter = Adapter(Platform("whatsapp"))
    sources = [
        SessionSource(platform=adapter.platform, chat_id=form, chat_type="dm", user_id=form)
        for form in forms
    ]
    conversation = conversation_of(adapter, sources)
    for form in forms:  # a worker may still answer the first message
        await send(conversation, form)
    assert adapter.sent == [(form, None) for form in forms]
    with pytest.raises(RelayRefused):
        await send(conversation, "15557654321")


@pytest.mark.skipif(
    not hasattr(SessionSource, "prospective_thread_id"),
    reason="this Hermes does not say in which thread an answer will be",
)
async def test_a_thread_may_begin_with_the_answer_to_its_first_message() -> None:
    adapter = Adapter(Platform("discord"))
    place: dict[str, Any] = {"platform": adapter.platform, "chat_id": "C1", "user_id": "u"}
    sources = [
        SessionSource(**place, chat_type="group", prospective_thread_id="T1"),
        SessionSource(**place, chat_type="thread", thread_id="T1"),
    ]
    first = conversation_of(adapter, sources[:1])
    await send(first, "C1")
    await send(first, "C1", "T1")
    both = conversation_of(adapter, sources)
    await send(both, "C1", "T1")
    await send(both, "C1")
    assert adapter.sent == [("C1", None), ("C1", "T1"), ("C1", "T1"), ("C1", "T1")]
    for conversation in (first, both):
        with pytest.raises(RelayRefused):
            await send(conversation, "C1", "T2")
