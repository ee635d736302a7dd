"""A soak from its first gateway to its verdict."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit import FakeModel, FakeTelegram, Gateway
from tests.kit.probes.gateway_use import Use, at_rest, growth
from tests.tools.soak import place
from tests.tools.soak.harm import Killer, make_fail
from tests.tools.soak.people import People
from tests.tools.soak.plan import Plan
from tests.tools.soak.verdict import judge

#: Seconds of traffic before a kill: turns are in all of their phases then.
_BURST = 4.0

#: Seconds in which a second word to a message would come.
_QUIET = 5.0

#: How many threads more a gateway may have at its second rest, after all people wrote at once: as
#: many as its pools hold.
_THREADS = 40

Progress = Callable[[str], None]


@dataclass(slots=True)
class Figures:
    """What a soak prints: what became of the messages, what the gateway used, and what is wrong."""

    messages: int = 0
    answered: int = 0
    told: int = 0
    workers_killed: int = 0
    gateways_killed: int = 0
    calls_refused: int = 0
    seconds: float = 0.0
    rests: list[tuple[Use, Use]] = field(default_factory=list)
    """Of each life of the gateway, its first rest and its last one."""
    delays: list[float] = field(default_factory=list)
    """Seconds from each message to its outcome."""
    left: int = 0
    """Processes that are there when all is over."""
    wrong: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """All that was said in the conversations where something is wrong."""


def soak(plan: Plan, progress: Progress, keep: Path | None = None) -> Figures:
    """Run a plan; the figures say what came of it, and what is wrong.

    The homes with their logs are made in the folder ``keep``, or in one that is removed at the end.
    """
    begun = time.monotonic()
    with _folder(keep) as folder, FakeTelegram() as telegram, FakeModel() as model:
        talks = place.conversations(plan)
        gateway = Gateway(place.build(folder, telegram, model, talks))
        people, figures = People(telegram, model, plan, talks), Figures()
        try:
            _live(plan, gateway, people, figures, progress)
        finally:
            gateway.stop()
        figures.left = len(gateway.leftovers())
        _judge(telegram, people, figures)
    if figures.messages < plan.least:
        figures.wrong.append(f"{figures.messages} messages, where {plan.least} are meant")
    figures.seconds = time.monotonic() - begun
    return figures


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="hr-soak-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _live(
    plan: Plan, gateway: Gateway, people: People, figures: Figures, progress: Progress
) -> None:
    """Let the gateway live as often as planned; all but the last life end by SIGKILL."""
    make_fail(people.telegram, plan)
    with Killer(gateway, plan, lambda: people.count) as killer:
        for life in range(plan.lives):
            gateway.start()
            progress(f"gateway {life + 1} of {plan.lives} serves")
            _traffic(plan, gateway, people, figures, progress)
            if life + 1 < plan.lives:
                people.talk(time.monotonic() + _BURST)
                people.wait_accepted(gateway.root.path / "hermes-router" / "ledger.jsonl")
                progress(f"SIGKILL of the gateway, {len(people.open)} messages are open")
                gateway.kill()
                figures.gateways_killed += 1
        figures.workers_killed = killer.killed
    people.listen()
    people.hush(_QUIET)


def _traffic(
    plan: Plan, gateway: Gateway, people: People, figures: Figures, progress: Progress
) -> None:
    """Have people talk in two halves, and look at the gateway after each."""
    rests: list[Use] = []
    for _half in range(2):
        people.talk(time.monotonic() + plan.seconds / 2)
        people.listen()
        rests.append(at_rest(gateway, people.count))
        progress(rests[-1].line())
    figures.rests.append((rests[0], rests[1]))


def _judge(telegram: FakeTelegram, people: People, figures: Figures) -> None:
    outcomes = judge(telegram, people.talks)
    figures.messages, figures.calls_refused = people.count, _refused(telegram)
    figures.answered, figures.told = outcomes.answered, outcomes.told
    talked = [said for talk in people.talks for said in talk.said]
    figures.delays = sorted(s.outcome_at - s.at for s in talked if s.outcome_at is not None)
    figures.wrong, figures.seen = outcomes.wrong, outcomes.seen
    for early, late in figures.rests:
        figures.wrong += [f"the gateway's {what}" for what in growth(early, late, threads=_THREADS)]
    if figures.left:
        figures.wrong.append(f"{figures.left} processes are left")


def _refused(telegram: FakeTelegram) -> int:
    """Count the calls that the platform was made to refuse."""
    calls = telegram.calls("sendMessage", "editMessageText")
    return sum(1 for call in calls if call.error and call.error.startswith(("429", "500")))
