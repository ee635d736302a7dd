"""What people in a conversation are told when its turn did not end as it should."""

from __future__ import annotations

from collections.abc import Sequence

from hermes_router.errors import (
    ProfileError,
    RouterError,
    WorkerOverLimit,
    WorkerStartError,
    WorkerTimeout,
    WrongVersion,
)
from hermes_router.workers.worker_log import one_line

_USED = {
    "file_bytes": "sent more of files at once",
    "memory_bytes": "used more memory",
    "cpu_seconds": "used more CPU time",
    "processes": "started more processes",
    "output_bytes": "wrote more",
}

_STOPPED = "⚡ Stopped. What waited here is not worked on."


def has_to_wait(ahead: int) -> str:
    """Return what somebody is told whose message waits until others are done."""
    others = "1 message is" if ahead == 1 else f"{ahead} messages are"
    return f"⏳ {others} ahead of yours. It is worked on after them; /stop takes it back."


def stopped_waiting() -> str:
    """Return what somebody is told who stopped what had not begun."""
    return _STOPPED


_TOO_EARLY = " before it was done"


def notice(failure: RouterError | None, turn_id: str, *, answered: bool = False) -> str:
    """Return the line that says why a turn came to nothing, or why its background work ended."""
    if isinstance(failure, ProfileError):
        return f"⚠️ This conversation's profile {failure.profile!r} {failure.message}. [{turn_id}]"
    again = "" if answered else " Please send your message again."
    return f"⚠️ The assistant of this conversation {_what(failure)}.{again} [{turn_id}]"


def _what(failure: RouterError | None) -> str:
    if isinstance(failure, WorkerOverLimit):
        much = _USED.get(failure.limit, "used more")
        allowed = f"limits.{failure.limit}: {failure.allowed:.0f}"
        return f"{much} than its limit allows ({allowed}) and was ended"
    if isinstance(failure, WorkerTimeout):
        return f"took longer than allowed ({failure.phase}: {failure.seconds:g} s) and was ended"
    if isinstance(failure, WorkerStartError | WrongVersion):
        return "could not be started"
    return f"stopped unexpectedly{_TOO_EARLY}"


def is_told_in_any_case(failure: RouterError | None) -> bool:
    """Say whether people are told also when they have their answer: their work was ended."""
    if isinstance(failure, WorkerTimeout):
        return failure.phase in {"idle", "resident", "post_turn"}
    return isinstance(failure, WorkerOverLimit)


def ended_works(works: Sequence[str], why: str, turn_id: str = "") -> str:
    """Return the line that names the work that was ended, and says why."""
    mark = f" [{turn_id}]" if turn_id else ""
    return f"⚠️ Ended, because {why}: {'; '.join(works)}.{mark}"


def why_ended(failure: RouterError | None, reason: str) -> str:
    """Say why a worker's work was ended; ``reason`` is what ended it if it did not fail."""
    if failure is None:
        return reason
    return f"the assistant of this conversation {_what(failure).removesuffix(_TOO_EARLY)}"


#: Letters of a message that its writer recognises it by.
_QUOTED = 60


def cut_off(words: str, *, begun: bool) -> str:
    """Return the line for a message that ended with a gateway that was cut off.

    ``begun``: a part of its answer can be read.
    """
    shown = one_line(words, _QUOTED)
    which = f"your message “{shown}”" if shown else "your last message here"
    when = "in the middle of its answer to" if begun else "before it had answered"
    return f"⚠️ The gateway was cut off {when} {which}. Please send it again."


def too_many_wait(allowed: int, turn_id: str, *, ahead: int) -> str:
    """Return the line for a message that was not taken, because so many wait already."""
    return (
        f"⚠️ Too many messages are waiting (limits.queue: {allowed}): {ahead} are ahead of yours. "
        f"Please try again later. [{turn_id}]"
    )


def refused_files(allowed: int, turn_id: str) -> str:
    """Return the line that says that the kernel refused a process of the turn more open files."""
    return (
        "⚠️ A program of this conversation's assistant was refused more open files "
        f"(limits.open_files: {allowed}). [{turn_id}]"
    )
