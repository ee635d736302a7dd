"""Every error of the project: one root, one tree.

An error says what happened, where, and what to do about it. ``str(error)`` is ready for a
terminal; the parts stay available as attributes for logs and ``--json``. Only :class:`RouterError`
may reach a top-level handler on purpose: anything else is a bug.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "unusable", "warning"]
"""``error`` refuses the file; ``unusable`` is a route that can only be answered with a notice (its
profile or platform does not exist here); ``warning`` is worth a look."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One located finding in a configuration file.

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
        """``file:line:column``, as editors understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """Return ``where: severity: path: message`` and the hint on a line of its own."""
        path = f"{self.path}: " if self.path else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{self.where}: {self.severity}: {path}{self.message}{hint}"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return a hint: the nearest allowed word if one is near, and all allowed words."""
    words = sorted(allowed)
    close = difflib.get_close_matches(word.strip().lower(), words, n=1, cutoff=0.6)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}allowed: {', '.join(words)}"


class RouterError(Exception):
    """Something this project reports on purpose.

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
    """A configuration that cannot be used, with everything that is wrong in it.

    ``files`` are the files that were read or should have been: an edit of any of them may mend it.
    """

    def __init__(self, problems: Sequence[Problem], *, files: Sequence[str] = ()) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.files: tuple[str, ...] = tuple(files) or tuple({p.file: None for p in self.problems})
        where = self.problems[0].where if self.problems else ""
        super().__init__(_count(self.errors), where=where)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that refuse the file, without mere warnings."""
        return tuple(p for p in self.problems if p.severity == "error")

    def __str__(self) -> str:
        """Return the number of errors and every problem, one below the other."""
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])


def _count(errors: Sequence[Problem]) -> str:
    return f"the configuration has {len(errors)} error{'' if len(errors) == 1 else 's'}"


class ProfileError(RouterError):
    """A profile that cannot serve: missing, broken or refused."""

    def __init__(self, message: str, *, profile: str, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where or f"profile {profile}", hint=hint)
        self.profile = profile


class WorkerError(RouterError):
    """A worker process that did not do its job.

    ``detail`` is what the worker itself said about it (a traceback, the end of its stderr), as
    text.
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
    """A worker that could not be started, or ended before it said hello."""


class TemplateUnfit(WorkerStartError):
    """A template that may not fork, and another one of the same profile may not either."""


class WorkerDied(WorkerError):
    """A worker that ended before its turn did.

    ``returncode`` is as :mod:`subprocess` gives it: negative for a signal, ``None`` when unknown.
    """

    def __init__(self, message: str, *, returncode: int | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.returncode = returncode


class WorkerTimeout(WorkerError):
    """A worker that took longer than a configured limit; ``phase`` is the setting's name."""

    def __init__(self, message: str, *, phase: str, seconds: float) -> None:
        super().__init__(message)
        self.phase = phase
        self.seconds = seconds


class WorkerOverLimit(WorkerError):
    """A worker that used more than it may; ``limit`` is the setting's name, in ``limits``."""

    def __init__(self, message: str, *, limit: str, allowed: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed


class ProtocolError(WorkerError):
    """A message that the other side of the pipe may not send, or not now."""


class WrongVersion(ProtocolError):
    """The worker is of another hermes-router: one that was updated under a gateway that runs."""


class RelayRefused(RouterError):
    """A worker's call that the relay policy does not allow; nothing was sent."""

    def __init__(
        self, message: str, *, call: str, target: str = "", profile: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=f"profile {profile}" if profile else "", hint=hint)
        self.call = call
        self.target = target
        self.profile = profile


@contextlib.contextmanager
def one_error() -> Iterator[None]:
    """Raise one error where a task group raises a group: the project's own if there is one."""
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
