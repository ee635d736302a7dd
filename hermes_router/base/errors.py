"""Every error of the project: one root, one tree.

An error says what happened, where, and what to do about it. ``str(error)`` is ready for a terminal;
its parts are attributes, for logs and ``--json``. Only a :class:`RouterError` may reach the last
handler of a command on purpose: any other error there is a bug.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "unusable", "warning"]
"""``error``: the file is refused. ``unusable``: a route whose profile or platform does not exist
here; its messages get a notice. ``warning``: the file works, but somebody should look at it."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem in a configuration file, with its position.

    ``line`` and ``column`` count from 1; 0 means the file as a whole. ``path`` is the key path or
    the route (``gateway.profile_routes[2].chat_id``). ``code`` is a stable word for programs.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    message: str
    hint: str = ""
    severity: Severity = "error"
    code: str = "invalid"

    @property
    def where(self) -> str:
        """The position as ``file:line:column``, or only the file if there is no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """Return ``where: severity: path: message`` and the hint on a line of its own."""
        path = f"{self.path}: " if self.path else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{self.where}: {self.severity}: {path}{self.message}{hint}"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return a hint: the allowed word that is most like ``word``, if any, and all allowed words."""
    words = sorted(allowed)
    return f"{closest(word.strip().lower(), words)}allowed: {', '.join(words)}"


def closest(word: str, words: Iterable[str]) -> str:
    """Return the beginning of a hint, about the word that is most like ``word``; "" if none is."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}? " if close else ""


class RouterError(Exception):
    """The root of all errors that this project raises on purpose.

    ``where`` names the file, process or call to look at; ``hint`` says what to do.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, where it happened, and the hint on a line of its own."""
        where = f"{self.where}: " if self.where else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class ConfigError(RouterError):
    """The configuration cannot be used; ``problems`` lists everything that is wrong in it.

    ``files`` are the files that were read, or that are missing: an edit of any may fix the problem.
    """

    def __init__(self, problems: Sequence[Problem], *, files: Sequence[str] = ()) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.files: tuple[str, ...] = tuple(files) or tuple({p.file: None for p in self.problems})
        where = self.problems[0].where if self.problems else ""
        super().__init__(_count(self.errors), where=where)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems for which the file is refused, without warnings."""
        return tuple(p for p in self.problems if p.severity == "error")

    def __str__(self) -> str:
        """Return the number of errors, and then every problem on a line of its own."""
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])


def _count(errors: Sequence[Problem]) -> str:
    return f"the configuration has {len(errors)} error{'' if len(errors) == 1 else 's'}"


class ProfileError(RouterError):
    """A profile cannot be used: its home is missing, broken, or may not be used.

    The message is the end of a sentence that begins with the profile's name.
    """

    def __init__(self, message: str, *, profile: str, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where or f"profile {profile}", hint=hint)
        self.profile = profile


class WorkerError(RouterError):
    """A worker process did not do what it was started for; the subclasses say in which way.

    A notice tells people. ``detail`` is the traceback that the worker has sent, or "".
    """

    def __init__(
        self,
        message: str,
        *,
        profile: str = "",
        turn_id: str = "",
        where: str = "",
        hint: str = "",
        detail: str = "",
    ) -> None:
        named = " ".join(
            part
            for part in (profile and f"profile {profile}", turn_id and f"turn {turn_id}")
            if part
        )
        super().__init__(message, where=where or named, hint=hint)
        self.profile = profile
        self.turn_id = turn_id
        self.detail = detail


class WorkerStartError(WorkerError):
    """A worker could not be started, or ended before its first message."""


class NotWanted(WorkerStartError):
    """No worker was started, because the gateway stops: the next gateway serves the message."""


class NeverReady(WorkerStartError):
    """A worker ended before it was ready for a message; the error's message says how it ended."""


class StartRefused(WorkerStartError):
    """No worker was started, because the last workers of the profile never got ready.

    The message says why they failed, and when the next start is tried.
    """


class ShortOfMemory(RouterError):
    """No turn was begun, because the machine has only ``free`` bytes of free memory."""

    def __init__(self, free: int) -> None:
        super().__init__(f"too little memory is free: {free} bytes (turn_budget.free_bytes)")
        self.free = free


class CannotBeSent(RouterError):
    """A message could not be sent to a worker, because of what is in it; no worker knows of it.

    The error's message completes the sentence "Your message was not passed on: ...".
    """


class TemplateUnfit(WorkerStartError):
    """The profile's template cannot fork workers safely, because of what its plugins leave behind.

    Threads and open connections are such things. A new template could not fork either. The pool
    tries one again when the profile has changed, or after ``warm.max_age`` seconds.
    """


class HermesUpdated(WorkerStartError):
    """No worker may be started: Hermes on disk is no longer the version that the gateway runs.

    A restart of the gateway helps; until then each message gets a notice that says so.
    """


class WorkerDied(WorkerError):
    """A worker ended before its turn was answered, or with an error.

    ``returncode`` is as :mod:`subprocess` gives it: negative for a signal, ``None`` when unknown.
    """

    def __init__(self, message: str, *, returncode: int | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.returncode = returncode


class WorkerTimeout(WorkerError):
    """A worker took longer than ``seconds``, the value of the setting ``timeouts.<phase>``."""

    def __init__(self, message: str, *, phase: str, seconds: float) -> None:
        super().__init__(message)
        self.phase = phase
        self.seconds = seconds


class WorkerOverLimit(WorkerError):
    """A worker used more than its profile may use.

    ``limit`` is the name of the setting in ``limits``. ``allowed`` is its value, in its unit.
    """

    def __init__(self, message: str, *, limit: str, allowed: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed


class ProtocolError(WorkerError):
    """The other side of the pipe sent a message that it may not send, or not in this state."""


class WrongVersion(ProtocolError):
    """The worker is of another version: hermes-router was updated while the gateway ran.

    A restart of the gateway helps.
    """


class RelayRefused(RouterError):
    """The relay policy does not allow what a worker wants sent; nothing was sent.

    ``call`` is the name of the request, ``target`` the place that it was for.
    """

    def __init__(
        self, message: str, *, call: str, target: str = "", profile: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=f"profile {profile}" if profile else "", hint=hint)
        self.call = call
        self.target = target
        self.profile = profile


@contextlib.contextmanager
def one_error() -> Iterator[None]:
    """Raise one error of a task group instead of the group; the block contains that task group.

    A turn needs this, because each kind of error has a notice of its own. If the group contains a
    :class:`RouterError`, that one is raised, else its first error.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        raise next((e for e in errors if isinstance(e, RouterError)), errors[0]) from group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
