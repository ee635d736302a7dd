"""The sums of all profiles, for the last row of ``status`` and for its JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hermes_router.observe.status.messages import Profile


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Today's turns and failures, and what waits, is busy and takes ``memory`` (bytes) now.

    There is no median of all profiles: the gateway tells only each profile's own.
    """

    turns: int
    failed: int
    waiting: int
    busy: int
    memory: int


def totals(profiles: Sequence[Profile]) -> Totals:
    """Return the sums of these profiles."""
    return Totals(
        turns=sum(profile.today.turns for profile in profiles),
        failed=sum(profile.today.failed for profile in profiles),
        waiting=sum(len(profile.waiting) for profile in profiles),
        busy=sum(profile.busy for profile in profiles),
        memory=sum(profile.memory for profile in profiles),
    )
