"""What became of each message: one outcome, in its place, in its order."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.kit import Call, FakeTelegram, Message
from tests.tools.soak.said import LINE, Conversation, Said


@dataclass(slots=True)
class Outcomes:
    """The outcomes of all messages, and what is wrong with them."""

    answered: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """All that was said in the conversations where something is wrong."""


def judge(telegram: FakeTelegram, talks: list[Conversation]) -> Outcomes:
    """Look at all that the chats were sent."""
    outcomes = Outcomes()
    for talk in talks:
        everything = telegram.transcript(talk.chat)
        shown = [m for m in everything if not m.deleted and m.id not in talk.prompts]
        wrong = len(outcomes.wrong)
        _judge(talk, shown, outcomes)
        if len(outcomes.wrong) > wrong:
            calls = [call for call in telegram.calls() if call.place[0] == talk.chat]
            outcomes.seen.append(_seen(talk, shown, calls))
    return outcomes


def _judge(talk: Conversation, shown: list[Message], outcomes: Outcomes) -> None:
    """Judge one conversation.

    A line may be about an answer whose last edit did not come, so that it ends in the cursor.
    People can read the whole of it, but cannot know that.
    """
    lines = [m.text for m in shown if m.text.startswith(LINE)]
    texts = [m.text for m in shown if not m.text.startswith(LINE)]
    ended = [m.text for m in shown if not (m.text.startswith(LINE) or m.partial)]
    readable = [said for text in texts for said in talk.said if said.answer in text]
    answers = [said for text in ended for said in talk.said if said.answer in text]
    told = [said for line in lines for said in talk.said if f"{said.mark} " in line]
    unnamed = len(lines) - len(told)
    outcomes.answered += len(answers)
    outcomes.told += len(lines)
    outcomes.wrong += _doubled(answers, told, talk)
    without = [said for said in talk.said if said not in answers and said not in told]
    if len([said for said in without if said not in readable]) > unnamed:
        missing = ", ".join(f"{said.mark} ({said.kind})" for said in without)
        outcomes.wrong.append(f"silence: {len(without) - unnamed} of {missing}; lines: {lines}")
    if len(without) < unnamed:
        outcomes.wrong.append(
            f"c{talk.number}: {unnamed - len(without)} lines too many: {lines}; "
            f"answered: {[said.mark for said in answers]}"
        )
    if (order := [talk.said.index(said) for said in readable]) != sorted(order):
        outcomes.wrong.append(f"out of order: {[said.mark for said in readable]}")
    outcomes.wrong += _strangers(talk, texts)


def _doubled(answers: list[Said], told: list[Said], talk: Conversation) -> list[str]:
    """Return the messages that have two outcomes."""
    both = answers + told
    return [f"twice: {said.mark} ({said.kind})" for said in talk.said if both.count(said) > 1]


def _strangers(talk: Conversation, texts: list[str]) -> list[str]:
    """Return what is said here and belongs to another conversation."""
    own = f"done:c{talk.number}m"
    return [
        f"in c{talk.number}: {text!r}" for text in texts if "done:c" in text and own not in text
    ]


def _seen(talk: Conversation, shown: list[Message], calls: list[Call]) -> str:
    """Return all that was said in a conversation, for a person who looks for the cause.

    Times of calls are seconds since 1970, as in the gateway's ledger and the logs.
    """
    asked = [f"  > {said.mark} ({said.kind}), {said.clock:.1f}" for said in talk.said]
    got = [f"  < [{message.id}] {message.text!r}" for message in shown]
    clock = time.time() - time.monotonic()
    made = [
        f"  = {clock + call.at:.2f} {call.done_at - call.at:5.2f} s {call.line()}"
        for call in calls
        if call.method in ("sendMessage", "editMessageText", "deleteMessage")
    ]
    return "\n".join([f"c{talk.number} of {talk.profile}, chat {talk.chat}:", *asked, *got, *made])
