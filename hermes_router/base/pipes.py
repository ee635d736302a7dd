"""The two pipes between the gateway and a process that it starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple


class PipeEnds(NamedTuple):
    """The descriptors of two pipes: the child's stdin and stdout, and the gateway's ends of them.

    ``inbound`` is where the gateway reads what the child writes, ``outbound`` where it writes.
    """

    child_in: int
    child_out: int
    inbound: int
    outbound: int


@contextlib.contextmanager
def pipes_to_child() -> Iterator[PipeEnds]:
    """Make two pipes to a child that the block starts; the child's ends are closed after it.

    If the block raises, the gateway's ends are closed, too.

    Raises:
        OSError: there are no descriptors left.
    """
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        child_in, outbound = os.pipe()
        theirs.callback(os.close, child_in)
        ours.callback(os.close, outbound)
        inbound, child_out = os.pipe()
        theirs.callback(os.close, child_out)
        ours.callback(os.close, inbound)
        yield PipeEnds(child_in, child_out, inbound, outbound)
        ours.pop_all()
