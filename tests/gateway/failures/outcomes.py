"""What the chats of a test were sent, and how far the gateway's ledger says that messages are."""

from __future__ import annotations

import json
from contextlib import suppress

from tests.gateway.conftest import ANSWER_SECONDS, Stage
from tests.kit import FORUM, Message
from tests.kit.waiting import wait_until

#: Seconds in which a second word to a message would come.
QUIET = 3.0

NOTE = "was interrupted by a gateway"
"""What Hermes tells the model of a turn that its stop has cut off."""

RECOVERED = "♻️ Recovered reply"
"""How Hermes begins a reply that its stop has cut off on the way to the chat."""


def said(stage: Stage, topic: int, after: int) -> list[str]:
    """Return what a topic was sent since then, each message once, as it reads now."""
    return [message.text for message in messages(stage, topic, after)]


def messages(stage: Stage, topic: int, after: int) -> list[Message]:
    """Return the messages that a topic was sent since then, as they are now."""
    calls = stage.telegram.calls("sendMessage", "sendRichMessage", after=after)
    ours = [c for c in calls if c.error is None and c.params.get("message_thread_id") == topic]
    return [stage.telegram.message(c.message_id or 0) for c in ours]


def wait_said(stage: Stage, topic: int, after: int, words: str) -> None:
    stage.telegram.wait_reply(FORUM, topic, contains=words, after=after, timeout=ANSWER_SECONDS)


def wait_step(stage: Stage, topic: int, step: str, seen: int) -> None:
    """Wait until the gateway has noted one more such step of a topic in its ledger."""
    what = f"no message of {topic} is {step}"
    wait_until(lambda: steps(stage, topic, step) > seen, ANSWER_SECONDS, what)


def steps(stage: Stage, topic: int, step: str) -> int:
    """Count how often the ledger says this of a topic's messages, in all lives of the gateway."""
    ledger, lines = stage.root.path / "hermes-router" / "ledger.jsonl", []
    for line in ledger.read_text("utf-8", "replace").splitlines() if ledger.is_file() else ():
        with suppress(ValueError):  # it is being written
            lines.append(json.loads(line))
    ours = {line["id"] for line in lines if line.get("session", "").endswith(f":{topic}")}
    return sum(line["id"] in ours and line["step"] == step for line in lines)
