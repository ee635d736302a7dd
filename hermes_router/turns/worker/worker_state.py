"""The table of a worker's states: which step is allowed in each state, and the state after it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from hermes_router.base.errors import ProtocolError
from hermes_router.protocol import messages as msg


class WorkerState(enum.Enum):
    """The state of a worker, from its hello to its end."""

    STARTING = "starting"  # it builds its Hermes; messages may be offered already
    BUSY = "busy"  # it works on messages, and people wait
    RESIDENT = "resident"  # all is answered; it stays for background work and accepts messages
    FINISHING = "finishing"  # all is answered; it accepts nothing more and leaves by itself
    DRAINING = "draining"  # it has said that it accepts nothing more; people still wait
    DRAINED = "drained"  # it has said that it accepts nothing more, and all is answered
    GONE = "gone"  # the gateway reads none of its messages any more

    @property
    def takes_messages(self) -> bool:
        """True if messages may be offered to the worker; it may still refuse them."""
        return self in _TAKING

    @property
    def answered(self) -> bool:
        """True if every message that the worker accepted is answered, so that nobody waits."""
        return self in _ANSWERED


_TAKING = frozenset({WorkerState.STARTING, WorkerState.BUSY, WorkerState.RESIDENT})
_ANSWERED = frozenset({WorkerState.RESIDENT, WorkerState.FINISHING, WorkerState.DRAINED})


class Step(enum.Enum):
    """What a worker reports, or its end: each moves the worker to another state."""

    READY = "ready"
    ACCEPTED = "accepted"
    REPLIED_AND_STAYS = "idle, resident"
    REPLIED_AND_LEAVES = "idle"
    DRAINS = "draining"
    ENDS = "its end"


_S, _D = WorkerState, Step

#: Each step that is allowed in a state, and the state after it. Any other step is a protocol error.
TRANSITIONS: Mapping[tuple[WorkerState, Step], WorkerState] = MappingProxyType(
    {
        (_S.STARTING, _D.READY): _S.BUSY,
        (_S.STARTING, _D.ACCEPTED): _S.STARTING,
        (_S.STARTING, _D.DRAINS): _S.DRAINING,
        (_S.BUSY, _D.ACCEPTED): _S.BUSY,
        (_S.BUSY, _D.REPLIED_AND_STAYS): _S.RESIDENT,
        (_S.BUSY, _D.REPLIED_AND_LEAVES): _S.FINISHING,
        (_S.BUSY, _D.DRAINS): _S.DRAINING,
        (_S.RESIDENT, _D.ACCEPTED): _S.BUSY,
        (_S.RESIDENT, _D.REPLIED_AND_STAYS): _S.RESIDENT,
        (_S.RESIDENT, _D.REPLIED_AND_LEAVES): _S.FINISHING,
        (_S.RESIDENT, _D.DRAINS): _S.DRAINED,
        (_S.FINISHING, _D.DRAINS): _S.DRAINED,
        (_S.DRAINING, _D.REPLIED_AND_LEAVES): _S.DRAINED,
        **{(state, _D.ENDS): _S.GONE for state in _S},
    }
)


def after(state: WorkerState, step: Step) -> WorkerState:
    """Return the state after a step.

    Raises:
        ProtocolError: the step is not allowed in this state.
    """
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise ProtocolError(f"the worker sent {step.value} while it was {state.value}") from None


def step_of(message: msg.FromWorker) -> Step | None:
    """Return the step that a message means; None if the message does not change the state."""
    match message:
        case msg.Ready():
            return Step.READY
        case msg.Accepted():
            return Step.ACCEPTED
        case msg.Idle(resident=resident):
            return Step.REPLIED_AND_STAYS if resident else Step.REPLIED_AND_LEAVES
        case msg.Draining():
            return Step.DRAINS
        case _:
            return None
