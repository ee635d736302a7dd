"""Exit statuses, and the one error that ends a command on purpose."""

from __future__ import annotations

from hermes_router.base.errors import ConfigError, ProfileError, RouterError

OK = 0
NEGATIVE = 1
"""The answer is no: no route matches, a finding is an error, or an edit was refused."""
WRONG = 2
"""The configuration or the command line is wrong."""
UNUSABLE = 3
"""A profile that is to answer cannot answer."""
TURN_FAILED = 4
"""``--say``: a worker was started and gave no answer."""
WARNINGS = 5
"""``doctor``: nothing is broken, but there are warnings."""
BUG = 70
NO_OUTPUT = 74
INTERRUPTED = 130
PIPE_CLOSED = 141


class CommandError(RouterError):
    """Raised to end the command with a message, a hint, and the exit status ``status``."""

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", status: int = NEGATIVE
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.status = status


def status_of(error: RouterError) -> int:
    """Return the exit status of a command that ends with this error."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, ConfigError):
        return WRONG
    return UNUSABLE if isinstance(error, ProfileError) else NEGATIVE
