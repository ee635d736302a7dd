"""What the chats of a test were sent, and how far the gateway's ledger says that messages are."""

from __future__ import annotations

from tests.gateway.conftest import ANSWER_SECONDS, Stage
from tests.kit import FORUM
from tests.kit.waiting import wait_until

#: Seconds in which a second word to a message would come.
QUIET = 3.0

NOTE = "was interrupted by a gateway"
"""What Hermes tells the model of a turn that its stop has cut off."""

RECOVERED = "♻️ Recovered reply"
"""How Hermes begins a reply that its stop has cut off on the way to the chat."""


def said(stage: Stage, topic: int, after: int) -> list[str]:
    """Return what a topic was sent since then, each message once, as it reads now."""
    calls = stage.telegram.calls("sendMessage", "sendRichMessage", after=after)
    ours = [c for c in calls if c.error is None and c.params.get("message_thread_id") == topic]
    return [stage.telegram.message(c.message_id or 0).text for c in ours]


def wait_said(stage: Stage, topic: int, after: int, words: str) -> None:
    stage.telegram.wait_reply(FORUM, topic, contains=words, after=after, timeout=ANSWER_SECONDS)


def wait_step(stage: Stage, step: str, seen: int) -> None:
    """Wait until the gateway has noted one more such step in its ledger."""
    wait_until(lambda: steps(stage, step) > seen, ANSWER_SECONDS, f"no message is {step}")


def steps(stage: Stage, step: str) -> int:
    """Count the messages of which the ledger says this; those of earlier gateways are not there."""
    ledger = stage.root.path / "hermes-router" / "ledger.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return sum(f'"step":"{step}"' in line and '"id":""' not in line for line in lines)
