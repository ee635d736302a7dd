"""What a gateway uses while nothing happens, and whether that grows."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from tests.kit.gateway import Gateway

#: How much more a gateway may use at its second rest than at its first one.
MORE_MIB, MORE_DESCRIPTORS, MORE_THREADS, MORE_CHILDREN = 24.0, 12, 8, 4

_SETTLE_SECONDS = 40.0
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class Use:
    """What one gateway uses at a moment when no turn runs."""

    messages: int
    """That were written by then, in all lives."""
    mib: float
    descriptors: int
    """Without connections: the client library keeps as many open as it has needed at once."""
    threads: int
    children: int

    def line(self) -> str:
        """Return the figures as one line for people."""
        return (
            f"{self.messages} messages: {self.mib:.0f} MiB, {self.descriptors} descriptors, "
            f"{self.threads} threads, {self.children} processes below it"
        )


def at_rest(gateway: Gateway, messages: int) -> Use:
    """Wait until no worker is in a turn and no process is started or ended; return what is used.

    ``messages`` is how many messages the gateway has had; it is only noted.
    """
    gateway.wait_prepared()
    deadline, before = time.monotonic() + _SETTLE_SECONDS, -1
    while time.monotonic() < deadline:
        tree = gateway.tree()
        still = len(tree) == before and not any(p.role == "busy" for p in tree)
        if still:
            break
        before = len(tree)
        time.sleep(_TICK * 5)
    return use(gateway, messages)


def use(gateway: Gateway, messages: int) -> Use:
    """Return what a gateway uses now; ``messages``, how many it has had, is only noted."""
    process = psutil.Process(gateway.pid)
    connections = sum(bool(one.raddr) for one in process.net_connections("tcp"))
    return Use(
        messages=messages,
        mib=process.memory_info().rss / 2**20,
        descriptors=process.num_fds() - connections,
        threads=process.num_threads(),
        children=len(gateway.tree()),
    )


def growth(
    early: Use, late: Use, *, mib: float = MORE_MIB, threads: int = MORE_THREADS
) -> list[str]:
    """Return a line for each figure of a gateway that has grown between two rests; [] if none has.

    ``mib`` and ``threads`` are how much more memory and how many more threads it may use.
    """
    grown = [
        ("MiB", late.mib - early.mib, mib),
        ("descriptors", late.descriptors - early.descriptors, MORE_DESCRIPTORS),
        ("threads", late.threads - early.threads, threads),
        ("children", late.children - early.children, MORE_CHILDREN),
    ]
    return [f"{what} grew by {by:.0f}" for what, by, allowed in grown if by > allowed]
