"""A place as people have it on their clipboard, read as ``platform:chat[:thread]``.

Raises of all functions: ``ValueError``, whose text says what is wrong and what to write.
"""

from __future__ import annotations

import re

_TELEGRAM_LINK = re.compile(
    r"(?:https?://)?(?:t|telegram)\.me/(?P<rest>.+?)/*(?:[?#].*)?", re.IGNORECASE
)
_DISCORD_LINK = re.compile(
    r"(?:https?://)?(?:\w+\.)?discord(?:app)?\.com/channels/(?P<guild>[0-9]+|@me)/(?P<chat>[0-9]+)"
    r"(?:/(?P<thread>[0-9]+))?/*",
    re.IGNORECASE,
)


def understood(text: str) -> str:
    """Return the place in ``text`` as the command line writes it."""
    text = text.strip()
    link = _TELEGRAM_LINK.fullmatch(text)
    if link is not None:
        return _telegram(link["rest"])
    found = _DISCORD_LINK.fullmatch(text)
    if found is not None:
        return f"discord:{found['chat']}"
    platform, colon, rest = text.partition(":")
    if not colon:
        return text
    rest = re.sub(r"\s*:\s*", ":", rest.strip())
    if any(c.isspace() for c in rest) and platform.strip().lower() in {"telegram", "discord"}:
        raise ValueError("has spaces inside an id")
    return f"{platform.strip()}:{_numbered(platform.strip().lower(), rest)}"


def _numbered(platform: str, rest: str) -> str:
    """Read ``chat/thread`` as ``chat:thread``, and refuse names, where ids are numbers."""
    if platform not in {"telegram", "discord"}:
        return rest
    rest = re.sub(r"^(-?[0-9]+)/([0-9]+|general)$", r"\1:\2", rest)
    if rest.startswith("@") or re.fullmatch(r"[A-Za-z_#]\w*", rest):
        raise ValueError(
            f"names {rest}, and {platform} has numbers: a message carries no name. "
            "docs/ids.md says how to find them"
        )
    return rest


def _telegram(rest: str) -> str:
    """Read the path of a link: ``c/CHAT/THREAD/MESSAGE``, whose chat lacks its -100."""
    parts = rest.split("/")
    if parts[0] != "c" or len(parts) < 2 or not parts[1].isdigit():
        raise ValueError(
            "is a link to a public chat, which names no id: docs/ids.md says how to find it"
        )
    chat = f"telegram:-100{parts[1]}"
    if len(parts) > 3 or (len(parts) == 3 and parts[2].isdigit() and len(parts[2]) < 1):
        return f"{chat}:{parts[2]}"
    return f"{chat}:{parts[2]}" if len(parts) == 3 else chat
