"""How long an approval waits: its text names the routed profile's own time, not the gateway's.

The real adapter writes that text, in the gateway's process and by the gateway's configuration.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import anyio.to_thread

from hermes_router.hermes.compat import seams
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.profiles.model import Profile
from hermes_router.profiles.own_home import approval_seconds

#: The seconds that the prompt says which is being shown; None for the gateway's own prompts.
_said: ContextVar[int | None] = ContextVar("hermes_router_approval_seconds", default=None)


def install() -> None:
    """Have Hermes ask here for how long an approval waits."""
    patching.apply(patches.APPROVAL_SECONDS, _seconds)


@asynccontextmanager
async def said_of(profile: Profile, method: str) -> AsyncIterator[None]:
    """Within it, an approval that an adapter shows says how long this profile waits."""
    if method != "send_exec_approval":
        yield
        return
    seconds = await anyio.to_thread.run_sync(approval_seconds, profile)
    token = _said.set(seams.default_approval_seconds() if seconds is None else seconds)
    try:
        yield
    finally:
        _said.reset(token)


def _seconds(original: Callable[[], int]) -> int:
    said = _said.get()
    return original() if said is None else said
