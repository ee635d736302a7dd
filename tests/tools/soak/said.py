"""What a person says in a soak, and what the conversation got for it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

#: What a line begins with that says what became of a message.
LINE = "⚠️"

TOOL = '[[tool terminal {"command": "echo done"}]]'

#: A tool of which a person is asked first whether it may run.
DANGEROUS = '[[tool terminal {"command": "rm -r precious"}]]'


@dataclass(slots=True)
class Said:
    """One message of a person, known by its mark, which its answer repeats behind "done:"."""

    mark: str
    kind: str
    at: float
    """When it was sent, monotonic."""
    clock: float
    """The same in seconds since 1970, as the gateway's ledger has it."""
    outcome_at: float | None = None

    @property
    def words(self) -> str:
        """What the person writes: directions to the model, behind the mark."""
        return f"{self.mark} {KINDS[self.kind]} [[say {FILL}{self.answer}]]"

    @property
    def answer(self) -> str:
        """How its answer ends: one word, so that no message of the bot's breaks in it."""
        return f"done:{self.mark}."


#: Some words that make an answer long enough to be edited several times.
FILL = "one two three four five six seven eight nine ten "

#: The kinds of messages: what the model is to do before it answers.
KINDS = {
    "plain": "",
    "streamed": "[[stream 0.1]]",
    "slow": "[[sleep 1.5]]",
    "tool": TOOL,
    "picture": "",
    "followed": "[[sleep 1.0]]",
    "approved": DANGEROUS,
}
_WEIGHTS = {"plain": 5, "streamed": 2, "slow": 2, "tool": 2, "picture": 1, "followed": 2}
_WEIGHTS |= {"approved": 1}


def some_kind(chance: random.Random) -> str:
    """Return a kind of message by chance; the frequent kinds more often."""
    return chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]


_FIRST_CHAT = -1004000000000


@dataclass(slots=True)
class Conversation:
    """One chat, its profile, and what was said in it."""

    number: int
    profile: str
    said: list[Said] = field(default_factory=list)
    prompts: set[int] = field(default_factory=set)
    """The messages that ask the person whether a tool may run."""
    next_at: float = 0.0
    """When its person writes again, monotonic, if nothing is open."""

    @property
    def chat(self) -> int:
        """The id of its chat: a platform lets a bot write into one only so often."""
        return _FIRST_CHAT - self.number

    @property
    def open(self) -> list[Said]:
        """The messages that have no outcome yet."""
        return [one for one in self.said if one.outcome_at is None]

    def new(self, kind: str, at: float) -> Said:
        """Return the next message, which counts as said."""
        said = Said(f"c{self.number}m{len(self.said) + 1}", kind, at, time.time())
        self.said.append(said)
        return said
