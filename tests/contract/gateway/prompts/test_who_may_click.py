"""Who may click on a profile's prompt: those whose messages in the same place are the profile's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import Platform
from gateway.platforms.base import MessageEvent
from gateway.session import SessionSource

from hermes_router.config import model
from hermes_router.hermes.conversation import GatewayConversation, SessionName
from hermes_router.profiles.model import Profile
from hermes_router.relay.attachments import Spool

TELEGRAM = Platform("telegram")
PERSON = {"platform": "telegram", "user_id": "7"}
IN_TOPIC = {"platform": "telegram", "chat_id": "-100", "thread_id": "6"}


class Adapter:
    platform = TELEGRAM
    is_connected = True

    async def send_exec_approval(
        self, chat_id: str, command: str, session_key: str, description: str = ""
    ) -> None:
        """Show nothing: who may click is asked before."""


async def who_may_click(
    home: Path, routes: list[dict[str, str]], *, personal: bool
) -> Callable[[str], bool]:
    """Return who may click on a prompt of career's in topic 6, where the person 7 has written."""
    listed = "".join(f"  - {route}\n" for route in routes)
    (home / "config.yaml").write_text(f"gateway:\n  profile_routes:\n{listed}")
    config = model.load(home / "config.yaml")
    runner = SimpleNamespace(
        adapters={TELEGRAM: Adapter()},
        _profile_adapters={},
        _running=True,
        _session_key_for_source=lambda source: "key",
    )
    unused: Any = None
    conversation = GatewayConversation(
        runner,
        Profile("career", home),
        SessionName("key", personal=personal),
        config=lambda: config,
        attended=lambda: False,
        notes=unused,
        menus=unused,
    )
    source = SessionSource(
        platform=TELEGRAM, chat_id="-100", chat_type="forum", thread_id="6", user_id="7"
    )
    conversation.note(MessageEvent(text="x", source=source, message_id="1"))
    asked: list[Callable[[str], bool]] = []

    async def ask(*_args: Any, may_answer: Callable[[str], bool], **_more: Any) -> None:
        asked.append(may_answer)

    call = {"chat_id": "-100", "command": "rm -r precious", "session_key": "key"}
    await conversation.execute("send_exec_approval", call, Spool(limit=0), ask)
    [may_answer] = asked
    return may_answer


@pytest.mark.parametrize(
    ("routes", "personal", "allowed"),
    [
        ([PERSON | {"profile": "career"}], False, "7"),
        ([IN_TOPIC | {"profile": "career"}], False, "7 8 9"),
        ([IN_TOPIC | {"profile": "career"}], True, "7"),
        ([IN_TOPIC | {"profile": "career"}, PERSON | {"profile": "career"}], False, "7 8 9"),
        (
            [IN_TOPIC | {"profile": "career"}, IN_TOPIC | {"user_id": "9", "profile": "family"}],
            False,
            "7 8",
        ),
        (
            [PERSON | {"profile": "career"}, IN_TOPIC | {"user_id": "9", "profile": "career"}],
            False,
            "7 9",
        ),
    ],
)
async def test_those_whom_the_profile_answers_there_may_click(
    routes: list[dict[str, str]],
    personal: bool,
    allowed: str,
    tmp_path: Path,
) -> None:
    may_click = await who_may_click(tmp_path, routes, personal=personal)
    assert [user for user in ("7", "8", "9") if may_click(user)] == allowed.split()
