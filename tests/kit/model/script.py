"""What the fake model says: directives, the default script, and what an auxiliary task wants.

Directives stand in the user's text, so that a demo needs no code:

    [[tool terminal {"command": "env"}]]   call a tool; several run one after the other
    [[sleep 1.5]]                          wait, before the step that follows it
    [[say TEXT]]                           the final answer
    [[tokens 200]]                         a final answer of that many words
    [[stream 0.05]]                        seconds between two chunks of the final answer
    [[error 500]]                          answer with this HTTP status

Without `say` or `tokens` the final answer is `tool said: <last result>` after tools, else
`echo: <the user's text>`, see `spoken`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.kit.model.types import Message, ModelRequest, Reply, ToolCall, text_of

MAX_QUOTED = 3000
"""Longest part of a tool result that the default answer repeats."""

_MARKS: tuple[tuple[str, str, str], ...] = (
    # (kind, role, start or part of that role's text), read in Hermes 0.19.0 and 0.22.2
    ("title", "system", "Generate a short, descriptive title"),
    ("title", "system", "You name chat sessions."),
    ("approval", "system", "You are a security reviewer for an AI coding agent"),
    ("goal_judge", "system", "You are a strict judge evaluating whether an autonomous agent"),
    ("compression", "user", "You are a summarization agent creating a context checkpoint"),
    ("review", "user", "Review the conversation above and "),
    ("vision", "user", "Describe everything visible in this image"),
    ("curator", "user", "You are running as Hermes' background skill CURATOR"),
)

_ANSWERS = {
    "title": "Kit conversation",
    "approval": "ESCALATE",
    "goal_judge": '{"verdict": "done", "reason": "The script says so."}',
    "compression": "## Summary\nThe user and the assistant exchanged test messages.",
    "review": "Nothing to save.",
    "vision": "A small picture made for a test.",
    "curator": "Nothing to do.",
    "auxiliary": "ok",
}


def kind_of(messages: list[Message], tools: tuple[str, ...]) -> str:
    """Classify a request: `chat`, a name of `_MARKS`, or `auxiliary`.

    Hermes marks its auxiliary requests by nothing but their prompts. They offer no tools (the
    reviews do: they are forks of the conversation with a new last user message) and lack the
    date line that ends every conversation's system prompt.
    """
    system = "\n".join(text_of(m) for m in messages if m.get("role") == "system")
    users = [text_of(m) for m in messages if m.get("role") == "user"]
    texts = {"system": system, "user": users[-1] if users else ""}
    for kind, role, mark in _MARKS:
        if mark in texts[role][:2000]:
            return kind
    return "chat" if tools or "Conversation started:" in system else "auxiliary"


@dataclass(slots=True)
class Steps:
    """The directives of one user text, in order."""

    tools: list[tuple[ToolCall, float]] = field(default_factory=list)
    """Each with the delay before it."""
    say: str | None = None
    delay: float = 0.0
    """Before the final answer."""
    chunk_delay: float = 0.0
    error: int | None = None
    rest: str = ""
    """The text without directives."""


_ATTACHED = re.compile(r"\A\[The user sent .*?\]\n\n", re.DOTALL)
_SENDER = re.compile(r"\A\[[^\[\]\n]{1,80}\] ")
_NOTE = re.compile(r"\s*\[System note: [^\]]*\]\s*\Z")


def spoken(text: str) -> str:
    """Return what the user typed, without what Hermes puts around it.

    That is: descriptions of attachments, then `[Name] ` in a chat of several people, in front;
    and notes to the model at the end.
    """
    return _NOTE.sub("", _SENDER.sub("", _ATTACHED.sub("", text)))


_OPEN = re.compile(r"\[\[(tool|sleep|say|tokens|stream|error)\s+")


def _tokens(text: str) -> Iterator[tuple[str, Any]]:
    """Yield `(directive, argument)`, and `("", text)` for what stands between them."""
    at = 0
    while match := _OPEN.search(text, at):
        name, start = match.group(1), match.end()
        yield "", text[at : match.start()]
        if name == "tool":
            tool, _, _ = text[start:].partition(" ")
            tool = tool.removesuffix("]]")
            start += len(tool)
            arguments: Any = {}
            if text[start:].lstrip().startswith("{"):
                start += len(text[start:]) - len(text[start:].lstrip())
                arguments, used = json.JSONDecoder().raw_decode(text[start:])
                start += used
            end = text.index("]]", start)
            yield name, ToolCall(tool, arguments)
        else:
            end = text.index("]]", start)
            yield name, text[start:end].strip()
        at = end + 2
    yield "", text[at:]


def parse(text: str) -> Steps:
    """Read the directives of a text. Raises ValueError when one is malformed."""
    steps, between = Steps(), []
    for name, argument in _tokens(text):
        if name == "":
            between.append(argument)
        elif name == "tool":
            steps.tools.append((argument, steps.delay))
            steps.delay = 0.0
        elif name == "sleep":
            steps.delay += float(argument)
        elif name == "say":
            steps.say = argument
        elif name == "tokens":
            steps.say = " ".join(f"word{number}" for number in range(1, int(argument) + 1))
        elif name == "stream":
            steps.chunk_delay = float(argument)
        elif name == "error":
            steps.error = int(argument)
    steps.rest = "".join(between).strip()
    return steps


def default_reply(request: ModelRequest) -> Reply:
    """Return the reply that the directives in the user's text ask for, or an echo of the text.

    An auxiliary task gets an answer that it can use.
    """
    if request.kind != "chat":
        return Reply(_ANSWERS[request.kind])
    try:
        steps = parse(spoken(request.last_user))
    except ValueError as error:
        return Reply(f"bad directive: {error}")
    results = request.tool_results
    if len(results) < len(steps.tools):
        call, delay = steps.tools[len(results)]
        return Reply(tool_calls=(call,), delay=delay)
    text = steps.say
    if text is None and steps.tools:
        text = f"tool said: {results[-1][:MAX_QUOTED]}"
    return Reply(
        text if text is not None else f"echo: {steps.rest}",
        delay=steps.delay,
        chunk_delay=steps.chunk_delay,
        error=steps.error,
    )
