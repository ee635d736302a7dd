"""Asking on a terminal: arrows and Enter choose, Ctrl-C leaves. prompt_toolkit is Hermes's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import clean

T = TypeVar("T")


def can_ask() -> bool:
    """Say whether a person sits at a terminal, for questions and for answers."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def one_of(question: str, options: Sequence[tuple[T, str]], default: T | None = None) -> T:
    """Let the person choose one of the options (value, label); return its value.

    Raises:
        CommandError: this Python has no prompt_toolkit.
        KeyboardInterrupt: the person has left.
    """
    try:
        from prompt_toolkit.shortcuts import choice  # noqa: PLC0415 - slow, and for a person only
    except ImportError as error:
        raise _needs_flags() from error
    labels = [(value, clean(label)) for value, label in options]
    return choice(clean(question), options=labels, default=default)


def text(question: str) -> str:
    """Let the person type a line; raises as :func:`one_of` does."""
    try:
        from prompt_toolkit import prompt  # noqa: PLC0415 - slow, and for a person only
    except ImportError as error:
        raise _needs_flags() from error
    return prompt(f"{clean(question)} ").strip()


def _needs_flags() -> CommandError:
    hint = "say it by flags: hermes-router init --map PLACE=PROFILE"
    return CommandError("this Python has no prompt_toolkit to ask with", hint=hint)
