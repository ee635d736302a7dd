"""How a worker's process is started: one small module per way, listed here by its name."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hermes_router.config.settings import HARDENED, SEES_ITS_HOME, Hardening, Sandbox
from hermes_router.profiles.model import Profile


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """Everything that a launcher must know to start one worker.

    ``log`` is the descriptor that becomes the worker's stderr; the caller keeps and closes it.
    ``grace`` is how many seconds the tree gets between being asked to end and being killed. With
    ``control``, the descriptor of a socket, it is a template that is started. ``limits`` are what
    the worker's supervisor keeps, see :mod:`hermes_router.protocol.limits`; ``together`` is how
    many workers of the profile there may be at once.
    """

    profile: Profile
    worker_id: str
    environment: Mapping[str, str]
    cwd: Path
    log: int
    grace: float
    control: int | None = None
    sandbox: Sandbox = SEES_ITS_HOME
    hardening: Hardening = HARDENED
    share: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    together: int = 1


class Child(Protocol):
    """A started process: two pipe descriptors, which the caller owns, and its end."""

    pid: int
    inbound: int
    outbound: int

    @property
    def ended(self) -> bool:
        """Whether the process has ended, as far as can be told at once."""
        ...

    async def wait(self) -> int | None:
        """Return the process's return code when it has ended.

        It is as :mod:`subprocess` gives it; None when nobody can tell.
        """
        ...

    def send_signal(self, number: int) -> None:
        """Send a signal to the process; nothing happens when it has ended."""

    def keep(self, other: Child) -> None:
        """Keep what this process runs in until ``other``, which it started, has ended too."""


Launch = Callable[[LaunchSpec], Awaitable[Child]]


def launcher(name: str) -> Launch:
    """Return the launcher of that name; raises ``KeyError`` for another."""
    from hermes_router.workers.launchers import bubblewrap, local  # noqa: PLC0415 - they import this module

    return {"local": local.launch, "bubblewrap": bubblewrap.launch}[name]


def check(name: str) -> str | None:
    """Return why this machine cannot start workers that way, and how to mend it; None if it can.

    It is tried for real, once: the answer is remembered.
    """
    if name != "bubblewrap":
        return None
    from hermes_router.workers.launchers import bwrap  # noqa: PLC0415 - commands that need none start fast

    return bwrap.check()


async def close() -> None:
    """Let go of what launchers keep between two starts; call it when no worker lives any more."""
    from hermes_router.workers.launchers import bubblewrap  # noqa: PLC0415 - it imports this module

    await bubblewrap.close()


def command(spec: LaunchSpec) -> list[str]:
    """Return the command line of a worker, but for what its launcher adds."""
    arguments = ["-p", spec.profile.name, "--grace", str(spec.grace)]
    if not spec.hardening.no_new_privs:
        arguments.append("--new-privs")
    if "auth" in spec.share:
        arguments.append("--share-auth")
    if "ssh" in spec.share:
        arguments.append("--share-ssh")
    if spec.control is None:  # a template is told them with each fork
        arguments += [f"--limit={name}={value!r}" for name, value in spec.limits]
    return [sys.executable, "-P", "-m", "hermes_router_worker", *arguments]
