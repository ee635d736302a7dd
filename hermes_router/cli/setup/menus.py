"""Remove the command menus that the router set in routed chats from a platform."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from hermes_router.cli.inspect.checks.credentials import TOKENS, sections, values_of
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.cli.terminal.output import counted
from hermes_router.relay.menus import Menus

_API = "https://api.telegram.org/bot"
_SECONDS = 15


def forget(home: GatewayHome) -> Iterator[str]:
    """Take back the command menus that the router has set in Telegram chats.

    Yields one or two lines for the terminal: how many menus were removed, and how many stay. The
    file that lists the chats keeps those whose menus stay.
    """
    file = home.path / "hermes-router" / "menus.json"
    if not file.exists():
        return
    menus = Menus(file)
    chats = [chat for platform, chat in menus.chats() if platform == "telegram"]
    if not chats:
        return
    section = sections(home.config).get("telegram")
    token = _token(home, section)
    if not token:
        yield f"the menus of {counted(len(chats), 'chat')} stay: the bot's token was not found"
        return
    extra = section.get("extra") if isinstance(section, dict) else None
    base = str((extra or {}).get("base_url") or _API) if isinstance(extra, dict) else _API
    left = 0
    for chat in chats:
        if _delete(f"{base}{token}/deleteMyCommands", chat):
            menus.remember("telegram", chat, None)
        else:
            left += 1
    yield f"menus removed in {counted(len(chats) - left, 'chat')}"
    if left:
        yield (
            f"the menus of {counted(left, 'chat')} stay: Telegram refused to remove them; "
            "run this again"
        )


def _token(home: GatewayHome, section: Any) -> str:
    named = section.get("token") if isinstance(section, dict) else None
    name = TOKENS["telegram"]
    return str(
        values_of(home.path / ".env").get(name) or os.environ.get(name) or named or ""
    ).strip()


def _delete(url: str, chat: str) -> bool:
    body = json.dumps({"scope": {"type": "chat", "chat_id": int(chat)}}).encode()
    request = urllib.request.Request(  # noqa: S310 - the platform's own address, as configured
        url, data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the same
            return bool(json.load(answer).get("ok"))
    except (OSError, ValueError, urllib.error.URLError):
        return False
