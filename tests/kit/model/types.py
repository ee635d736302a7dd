"""What the fake model records, and what a script can answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Message = Mapping[str, Any]

End = Literal["finished", "disconnected", "error"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the fake model asks for in its reply."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the fake model answers to one request, and how fast."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    chunk_delay: float = 0.0
    """Seconds between chunks of a stream."""
    hold: threading.Event | None = None
    """Answer nothing before this is set."""
    hold_after: int | None = None
    """With `hold`: send this many chunks first, and hold then (streams only)."""
    chunk_chars: int = 0
    """Characters in each chunk of a stream; 0 is a word at a time."""
    cut_after: int | None = None
    """Break the connection after this many chunks of a stream."""
    error: int | None = None
    """Answer this HTTP status instead."""
    error_message: str = "the script asked for this error"
    retry_after: int | None = None
    """`Retry-After` of an error."""

    def chunks(self) -> list[str]:
        """Return the text in the pieces in which it is streamed."""
        if self.chunk_chars > 0:
            size = self.chunk_chars
            return [self.text[at : at + size] for at in range(0, len(self.text), size)]
        words = self.text.split(" ")
        return [word + " " for word in words[:-1]] + ([words[-1]] if words[-1] else [])


@dataclass(eq=False, slots=True)
class ModelRequest:
    """One request for an answer. The fields below `kind` are filled in while it is answered."""

    seq: int
    at: float
    """`time.monotonic()` of its arrival, body included."""
    api_key: str
    model: str
    messages: list[Message]
    tools: tuple[str, ...]
    """Names of the offered tools."""
    stream: bool
    body: bytes
    """The request's body as it came."""
    kind: str
    """`chat`, or the name of an auxiliary task: see `kind_of` of `tests.kit.model.script`."""
    first_byte_at: float | None = None
    finished_at: float | None = None
    end: End | None = None
    """`disconnected`: the client left before the answer was complete."""
    reply: Reply | None = None

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(text_of(m) for m in self.messages if m.get("role") == "system")

    @property
    def last_user(self) -> str:
        """Text of the newest user message."""
        users = [text_of(m) for m in self.messages if m.get("role") == "user"]
        return users[-1] if users else ""

    @property
    def tool_results(self) -> list[str]:
        """Texts of the tool results after the newest user message, oldest first."""
        results: list[str] = []
        for message in self.messages:
            if message.get("role") == "user":
                results.clear()
            elif message.get("role") == "tool":
                results.append(text_of(message))
        return results

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def line(self) -> str:
        """Return a one-line summary for failure texts."""
        asked = self.last_user if len(self.last_user) <= 120 else self.last_user[:117] + "..."
        said = self.reply.text[:60] if self.reply is not None else ""
        calls = [call.name for call in self.reply.tool_calls] if self.reply is not None else []
        return (
            f"#{self.seq} {self.kind} model={self.model} key={self.api_key} "
            f"messages={len(self.messages)} {asked!r} -> {said!r} {calls or ''} {self.end}"
        )


def text_of(message: Message) -> str:
    """Return a message's text; its pictures are left out."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(p.get("text", "")) for p in parts if p.get("type") == "text")


def image_count(request: ModelRequest) -> int:
    """Return how many pictures a request carries."""
    contents = [m.get("content") for m in request.messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(1 for part in parts if part.get("type") in ("image_url", "input_image"))
