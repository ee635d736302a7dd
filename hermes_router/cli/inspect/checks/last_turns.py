"""Find the routed profiles whose last message, or job, got no answer a short while ago."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.terminal import moments
from hermes_router.cli.terminal.output import one_line
from hermes_router.observe import records
from hermes_router.turns.story import FAILED, OUTCOMES

#: An older failure is left to `hermes-router turns`: much may have changed since.
_RECENT = timedelta(days=1)


def look(loaded: Loaded) -> Iterator[Finding]:
    """Warn of each routed profile whose newest turn failed, if it is not older than a day."""
    folder = records.folder_of(loaded.home.path)
    for name in loaded.config.worker_profiles() if loaded.config is not None else ():
        try:
            turns = records.read(folder, name, earliest=datetime.now(UTC) - _RECENT)
        except OSError:
            return  # the records of another user's gateway: its own finding says so
        if not turns or not turns[-1].failed:
            continue
        last = turns[-1]
        after = last.outcome not in FAILED  # what failed then is its worker
        words = "its worker failed after the answer" if after else OUTCOMES[last.outcome]
        why = last.error or last.failure
        yield Finding(
            check="last-turn",
            severity="warning",
            what=f"its last turn, {last.turn} at {moments.local(records.arrived(last))}, failed: "
            + one_line(f"{words}: {why}" if why else words),
            where=str(folder / f"{name}.jsonl"),
            mend=loaded.home.router(f"logs --turn {last.turn}"),
            profile=name,
        )
