"""How long an approval waits: its text names the routed profile's own time, not the gateway's.

The real adapter writes that text in the gateway's process, from the gateway's configuration.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from hermes_router.base.tasks import in_thread
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.compat.seams import texts
from hermes_router.profiles.model import Profile
from hermes_router.profiles.own_home import approval_seconds

#: Seconds that the approval which is being shown names; None for the gateway's own approvals.
_said: ContextVar[int | None] = ContextVar("hermes_router_approval_seconds", default=None)


def install() -> None:
    """Replace Hermes's function that returns for how many seconds an approval waits.

    The router calls this once. In an :func:`own_seconds` block the new function returns the routed
    profile's seconds, else the gateway's own.
    """
    patching.apply(patches.APPROVAL_SECONDS, _seconds)


@asynccontextmanager
async def own_seconds(profile: Profile, method: str) -> AsyncIterator[None]:
    """While the block runs, an approval that an adapter shows names this profile's seconds.

    The conversation runs each adapter call in such a block. ``method`` is the adapter's method that
    the block calls. Only ``send_exec_approval`` shows an approval; for every other method nothing
    changes.
    """
    if method != "send_exec_approval":
        yield
        return
    seconds = await in_thread(approval_seconds, profile)
    token = _said.set(texts.default_approval_seconds() if seconds is None else seconds)
    try:
        yield
    finally:
        _said.reset(token)


def _seconds(original: Callable[[], int]) -> int:
    said = _said.get()
    return original() if said is None else said
