"""Read a place as people copy it, a link for example, as ``platform:chat[:thread]``.

Every function raises ``ValueError`` for a text that is no place. The error's text says what is
wrong and what to write.
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
    """Return the place that ``text`` names, as ``platform:chat[:thread]``.

    ``text`` may be a link to a Telegram or Discord chat. A text without a colon is returned as it
    is.
    """
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
        raise ValueError("contains spaces inside an id")
    return f"{platform.strip()}:{_numbered(platform.strip().lower(), rest)}"


def _numbered(platform: str, rest: str) -> str:
    """Read ``chat/thread`` as ``chat:thread``; refuse names on platforms whose ids are numbers."""
    if platform not in {"telegram", "discord"}:
        return rest
    rest = re.sub(r"^(-?[0-9]+)/([0-9]+|general)$", r"\1:\2", rest)
    if rest.startswith("@") or re.fullmatch(r"[A-Za-z_#]\w*", rest):
        raise ValueError(
            f"names {rest}, but ids of {platform} are numbers. docs/ids.md says how to find them"
        )
    return rest


def _telegram(rest: str) -> str:
    """Read the path of a link: ``c/CHAT/THREAD/MESSAGE``; a link's chat id lacks its -100."""
    parts = rest.split("/")
    if parts[0] != "c" or len(parts) < 2 or not parts[1].isdigit():
        raise ValueError(
            "is a link to a public chat, which contains no id. docs/ids.md says how to find the id"
        )
    chat = f"telegram:-100{parts[1]}"
    if len(parts) > 3 or (len(parts) == 3 and parts[2].isdigit() and len(parts[2]) < 1):
        return f"{chat}:{parts[2]}"
    return f"{chat}:{parts[2]}" if len(parts) == 3 else chat
