"""Ask on a terminal: arrow keys and Enter choose, Ctrl-C leaves. Hermes brings prompt_toolkit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import clean

T = TypeVar("T")


def can_ask() -> bool:
    """Say whether standard input and standard output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def one_of(question: str, options: Sequence[tuple[T, str]], default: T | None = None) -> T:
    """Let the person choose one of the options, pairs of (value, label); return its value.

    Raises:
        CommandError: this Python has no prompt_toolkit.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    try:
        from prompt_toolkit.shortcuts import choice  # noqa: PLC0415 - slow, for a person only
    except ImportError as error:
        raise _needs_flags() from error
    labels = [(value, clean(label)) for value, label in options]
    return choice(clean(question), options=labels, default=default)


def text(question: str) -> str:
    """Let the person type a line and return it.

    Raises:
        CommandError: this Python has no prompt_toolkit.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    try:
        from prompt_toolkit import prompt  # noqa: PLC0415 - slow, for a person only
    except ImportError as error:
        raise _needs_flags() from error
    return prompt(f"{clean(question)} ").strip()


def _needs_flags() -> CommandError:
    hint = "use options instead: hermes-router init --map PLACE=PROFILE"
    return CommandError("this Python has no prompt_toolkit, which the questions need", hint=hint)
