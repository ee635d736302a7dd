"""Launchers: each module here starts a worker's process in one way; :func:`launcher` lists them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hermes_router.config.settings import HARDENED, SEES_ITS_HOME, Hardening, Sandbox
from hermes_router.profiles.model import Profile
from hermes_router.protocol.printed import NO_TURN
from hermes_router.workers.code import own_code

if TYPE_CHECKING:
    from hermes_router.workers.starts.start_output import StartOutput


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """All that a launcher needs to start one worker or one template.

    Attributes:
        log: a descriptor of the worker log, into which the worker's supervisor writes; the caller
            closes it.
        grace: seconds between SIGTERM and SIGKILL for the process tree.
        control: the descriptor of a socket: the launcher then starts a template; None for a worker.
        share: what the profile shares with others, for example ``auth``, ``ssh`` or ``kanban``.
        limits: what the supervisor enforces, see :mod:`hermes_router.protocol.limits`.
        together: how many workers of the profile may run at once.
        turn: the id that lines get which are printed before the supervisor runs, ``as_json`` or
            plain.
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
    turn: str = NO_TURN
    as_json: bool = False

    def start_output(self) -> StartOutput:
        """Return a context manager that passes early output of the process on to the worker log.

        Early output is what it prints before its supervisor runs, for example why it cannot start.
        """
        from hermes_router.workers.starts.start_output import StartOutput  # noqa: PLC0415 - keeps commands fast

        return StartOutput(self.log, self.turn, as_json=self.as_json)


class Child(Protocol):
    """A started process. The caller owns its pipes' descriptors ``inbound`` and ``outbound``."""

    pid: int
    inbound: int
    outbound: int

    @property
    def ended(self) -> bool:
        """True if the process has ended; this never waits."""
        ...

    async def wait(self) -> int | None:
        """Wait for the end of the process and return its return code.

        The code is as in :mod:`subprocess`: negative for a signal. None means unknown.
        """
        ...

    def send_signal(self, number: int) -> None:
        """Send a signal to the process; do nothing if it has ended."""

    def keep(self, other: Child) -> None:
        """Keep the sandbox of this process open until its child ``other`` has ended too.

        A template calls this for each worker that it forks. Nothing is done if this process is in
        no sandbox.
        """


Launch = Callable[[LaunchSpec], Awaitable[Child]]


def launcher(name: str) -> Launch:
    """Return the function that starts workers by this launcher: ``local`` or ``bubblewrap``.

    Raises:
        KeyError: there is no such launcher.
    """
    from hermes_router.workers.launchers import bubblewrap, local  # noqa: PLC0415 - they import this module

    return {"local": local.launch, "bubblewrap": bubblewrap.launch}[name]


def check(name: str) -> str | None:
    """Return why this machine cannot use the launcher, and how to fix it; None if it can.

    The first call for ``bubblewrap`` starts a trial sandbox, which blocks for at most 20 s. Success
    is kept for good, and a failure for 30 s.
    """
    if name != "bubblewrap":
        return None
    from hermes_router.workers.launchers import bwrap  # noqa: PLC0415 - keeps other commands fast

    return bwrap.check()


async def close() -> None:
    """Close all open sandboxes, and wait until they are gone.

    The dispatcher calls this at the gateway's stop, when no worker runs any more: it ends the
    processes in them.
    """
    from hermes_router.workers.launchers import bubblewrap  # noqa: PLC0415 - it imports this module

    await bubblewrap.close()


def command(spec: LaunchSpec) -> list[str]:
    """Return the program and the arguments of a worker that are the same with every launcher.

    The launcher adds its own arguments to them.
    """
    arguments = ["-p", spec.profile.name, "--grace", str(spec.grace)]
    if not spec.hardening.no_new_privs:
        arguments.append("--new-privs")
    if "auth" in spec.share:
        arguments.append("--share-auth")
    if "ssh" in spec.share:
        arguments.append("--share-ssh")
    if spec.control is None:  # a template gets them with each fork
        arguments += [f"--limit={name}={value!r}" for name, value in spec.limits]
    return [*own_code.command("hermes_router_worker"), *arguments]
