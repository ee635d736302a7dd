"""How much a soak does: `full` is what ``make soak`` does, `SHORT` what it does without minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of a run. Everything random comes from ``seed``."""

    seconds: float
    """Of traffic in each life of the gateway; at the end of each but the last it is killed."""
    lives: int
    profiles: int
    conversations: int
    pause: float
    """Longest pause of a person between an answer and the next message, in seconds."""
    messages_per_kill: int = 20
    """Messages of which one loses its worker."""
    calls_per_failure: int = 10
    """Calls that send or edit of which one fails."""
    least: int = 0
    """Messages that it must come to."""
    outcome_seconds: float = 120.0
    """A message that has no outcome by then counts as met with silence."""
    seed: int = 1


#: Messages of a minute, at the least.
_MESSAGES = 200

#: Seconds between two kills of the gateway.
_LIFE = 120.0


def full(minutes: float, *, profiles: int = 20, conversations: int = 200, seed: int = 1) -> Plan:
    """Return the plan of so many minutes."""
    lives = max(1, round(minutes * 60 / _LIFE))
    return Plan(
        seconds=minutes * 60 / lives,
        lives=lives,
        profiles=profiles,
        conversations=conversations,
        pause=90.0,
        least=round(_MESSAGES * minutes),
        seed=seed,
    )


SHORT = Plan(seconds=25.0, lives=2, profiles=2, conversations=6, pause=2.0)
"""What the tests do: about 90 s from the first start to the verdict."""
