"""Text as Telegram treats it: entities of what users type, rendering of what bots send."""

from __future__ import annotations

import html
import re
from typing import Any

MAX_TEXT = 4096
"""Longest text of a message, in UTF-16 code units."""
MAX_CAPTION = 1024

_ENTITIES = (
    ("bot_command", re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?")),
    ("mention", re.compile(r"(?<![\w@/])@[A-Za-z0-9_]{3,32}\b")),
    ("url", re.compile(r"https?://[^\s]+")),
)
_ESCAPED = re.compile(r"\\([_*\[\]()~`>#+\-=|{}.!\\])")
_CODE = re.compile(r"```(?:[\w+-]*\n)?(.*?)```|`([^`\n]*)`", re.DOTALL)
_LINK = re.compile(r"!?\[((?:[^\]\\]|\\.)*)\]\((?:[^)\\]|\\.)*\)")
_MARKS = re.compile(r"(?<!\\)(?:\|\||__|[*_~])")
_QUOTE = re.compile(r"^(?:\*\*)?>", re.MULTILINE)


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, the unit of all Bot API offsets and limits."""
    return len(text.encode("utf-16-le")) // 2


def entities_of(text: str) -> list[dict[str, Any]]:
    """Return the entities that Telegram would mark in a text typed by a user."""
    found = []
    for kind, pattern in _ENTITIES:
        for match in pattern.finditer(text):
            offset = utf16_length(text[: match.start()])
            found.append({"type": kind, "offset": offset, "length": utf16_length(match.group())})
    return sorted(found, key=lambda entity: int(entity["offset"]))


def render(text: str, parse_mode: str | None) -> str:
    """Return the plain text that a user reads: trimmed, markup resolved.

    Approximate where markup nests oddly.
    """
    mode = (parse_mode or "").casefold()
    if mode == "html":
        text = html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", "", text))
    elif mode == "markdownv2":
        text = _render_markdown(text)
    elif mode == "markdown":
        text = re.sub(r"(?<!\\)[*_`]", "", text)
    return text.strip()


def _render_markdown(text: str) -> str:
    """Resolve MarkdownV2: code spans literally, everything else without marks and escapes."""
    parts, end = [], 0
    for match in _CODE.finditer(text):
        if match.start() and text[match.start() - 1] == "\\":
            continue
        code = match.group(1) if match.group(1) is not None else match.group(2)
        parts += [_render_marks(text[end : match.start()]), _ESCAPED.sub(r"\1", code)]
        end = match.end()
    parts.append(_render_marks(text[end:]))
    return "".join(parts)


def _render_marks(text: str) -> str:
    text = _LINK.sub(r"\1", text)
    return _ESCAPED.sub(r"\1", _MARKS.sub("", _QUOTE.sub("", text)))
