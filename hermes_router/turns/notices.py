"""The texts of notices: what the router writes into a chat when a turn waits, fails or is ended."""

from __future__ import annotations

from collections.abc import Sequence

from hermes_router.base.errors import (
    HermesUpdated,
    NeverReady,
    ProfileError,
    RouterError,
    StartRefused,
    WorkerOverLimit,
    WorkerStartError,
    WorkerTimeout,
    WrongVersion,
)
from hermes_router.workers.code import own_code
from hermes_router.workers.worker_log import one_line

_USED = {
    "file_bytes": "sent more bytes of files at once",
    "memory_bytes": "used more memory",
    "cpu_seconds": "used more CPU time",
    "processes": "started more processes",
    "output_bytes": "wrote more",
}

#: Maximum number of characters of the reason why a worker could not be started.
_REASON = 200

_ELSEWHERE = "💬 Another bot is answering you now. It has your command, and answers it in its chat."
_STOPPED = "⚡ Stopped. The messages that waited here are not answered."


def has_to_wait(ahead: int) -> str:
    """Return the notice for the sender of a message that has to wait behind ``ahead`` others."""
    others = "1 message is" if ahead == 1 else f"{ahead} messages are"
    return f"⏳ {others} ahead of yours. It is answered after them; /stop cancels it."


def answered_elsewhere() -> str:
    """Return the notice for a command that another bot of the session answers in its own chat."""
    return _ELSEWHERE


def stopped_waiting() -> str:
    """Return the notice that answers /stop if it has removed messages that waited for a turn."""
    return _STOPPED


_TOO_EARLY = " before it was done"

#: This notice does not ask for the message again: before the restart that would not help.
_UPDATED = "The gateway was updated while it ran. It cannot answer here until it is restarted: {}"


def notice(failure: RouterError | None, turn_id: str, *, answered: bool = False) -> str:
    """Return the notice that says why a turn failed, and asks for the message again if that helps.

    With ``answered`` the answer was delivered, and the failure ended only the background work: then
    the notice asks for nothing. ``turn_id`` is the id by which the logs name the turn.
    """
    if isinstance(failure, ProfileError):
        return f"⚠️ This conversation's profile {failure.profile!r} {failure.message}. [{turn_id}]"
    if isinstance(failure, HermesUpdated | WrongVersion):
        return f"⚠️ {_UPDATED.format(own_code.restart())} [{turn_id}]"
    if isinstance(failure, StartRefused):
        who = "The assistant of this conversation"
        return f"⚠️ {who} cannot be started: {failure.message} [{turn_id}]"
    again = "" if answered else " Please send your message again."
    return f"⚠️ The assistant of this conversation {_what(failure)}.{again} [{turn_id}]"


def _what(failure: RouterError | None) -> str:
    if isinstance(failure, WorkerOverLimit):
        much = _USED.get(failure.limit, "used more")
        allowed = f"limits.{failure.limit}: {failure.allowed:.0f}"
        return f"{much} than its limit allows ({allowed}) and was ended"
    if isinstance(failure, WorkerTimeout):
        return f"took longer than allowed ({failure.phase}: {failure.seconds:g} s) and was ended"
    if isinstance(failure, NeverReady):
        return f"could not be started: {one_line(failure.message, _REASON)}"
    if isinstance(failure, WorkerStartError):
        return "could not be started"
    return f"stopped unexpectedly{_TOO_EARLY}"


def is_told_in_any_case(failure: RouterError | None) -> bool:
    """Return True if people get :func:`notice` even though they have their answer already.

    This is so if the worker exceeded a resource limit, or a timeout of its work after the answer.
    """
    if isinstance(failure, WorkerTimeout):
        return failure.phase in {"idle", "resident", "post_turn"}
    return isinstance(failure, WorkerOverLimit)


def ended_works(works: Sequence[str], why: str, turn_id: str = "") -> str:
    """Return the notice that names the background work that was ended, and says why.

    ``works`` are descriptions for people, ``why`` is the end of a sentence after "because".
    """
    mark = f" [{turn_id}]" if turn_id else ""
    return f"⚠️ Ended, because {why}: {'; '.join(works)}.{mark}"


def why_ended(failure: RouterError | None, reason: str) -> str:
    """Return why a worker's background work was ended, as the end of a sentence after "because".

    If the worker did not fail, this is ``reason``, with which the gateway ended it on purpose.
    """
    if failure is None:
        return reason
    return f"the assistant of this conversation {_what(failure).removesuffix(_TOO_EARLY)}"


#: Maximum number of characters that are quoted of a message, so that its writer recognises it.
_QUOTED = 60


def cut_off(words: str, turn_id: str, *, begun: bool) -> str:
    """Return the notice for a message that was lost when the gateway's process was killed.

    The next gateway sends it. ``words`` is the text of the message. With ``begun`` a part of its
    answer is in the chat.
    """
    shown = one_line(words, _QUOTED)
    which = f"your message “{shown}”" if shown else "your last message here"
    when = "in the middle of its answer to" if begun else "before it had answered"
    return f"⚠️ The gateway was interrupted {when} {which}. Please send it again. [{turn_id}]"


def too_many_wait(allowed: int, turn_id: str, *, ahead: int) -> str:
    """Return the notice for a message that was refused, because too many messages wait already."""
    return (
        f"⚠️ Too many messages are waiting (limits.queue: {allowed}): {ahead} are ahead of yours. "
        f"Please try again later. [{turn_id}]"
    )


def short_of_memory(free: int, turn_id: str) -> str:
    """Return the notice for a message that was refused, because memory is short.

    ``free`` is how many bytes of the machine's memory are free.
    """
    return (
        f"⚠️ The machine is short of memory: {free // 1000000} MB are free. No message is "
        f"answered until more memory is free. Please send your message again later. [{turn_id}]"
    )


def not_passed_on(why: str, turn_id: str) -> str:
    """Return the notice for a message that could not be sent to a worker: it is too long, say.

    ``why`` completes the sentence "Your message was not passed on: ...".
    """
    return f"⚠️ Your message was not passed on: {why}. [{turn_id}]"


def refused_files(allowed: int, turn_id: str) -> str:
    """Return the notice that a program of the turn could not open one more file.

    ``allowed`` is the setting ``limits.open_files``, the number of files of each process.
    """
    return (
        "⚠️ A program of this conversation's assistant could not open more files "
        f"(limits.open_files: {allowed}). [{turn_id}]"
    )
