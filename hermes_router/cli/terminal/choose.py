"""Ask on a terminal: arrow keys and Enter choose, Ctrl-C leaves. Hermes brings prompt_toolkit."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from hermes_router.cli.terminal.output import clean

T = TypeVar("T")


class CannotAsk(Exception):
    """Raised when this Python cannot ask questions; its text says why."""


def can_ask() -> bool:
    """Return True if a person can be asked: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def one_of(question: str, options: Sequence[tuple[T, str]], default: T | None = None) -> T:
    """Let the person choose one of the options, pairs of (value, label); return its value.

    Raises:
        CannotAsk: this Python has no prompt_toolkit.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    with _prompt_toolkit():
        from prompt_toolkit.shortcuts import choice  # noqa: PLC0415 - slow, for a person only
    labels = [(value, clean(label)) for value, label in options]
    return choice(clean(question), options=labels, default=default)


def text(question: str) -> str:
    """Let the person type a line and return it.

    Raises:
        CannotAsk: this Python has no prompt_toolkit.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    with _prompt_toolkit():
        from prompt_toolkit import prompt  # noqa: PLC0415 - slow, for a person only
    return prompt(f"{clean(question)} ").strip()


@contextlib.contextmanager
def _prompt_toolkit() -> Iterator[None]:
    """Raise ``CannotAsk`` if an import in the block fails."""
    try:
        yield
    except ImportError as error:
        raise CannotAsk("this Python has no prompt_toolkit, which the questions need") from error
