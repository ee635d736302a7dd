"""Wrapping what Hermes's runner does, to see when it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def follow(runner: Any, name: str, around: Callable[..., Any]) -> None:
    """Have ``around`` called with a coroutine method of the runner and what that is called with.

    Nothing where this Hermes has no such method.
    """
    original = getattr(runner, name, None)
    if original is None:
        return

    async def followed(*args: Any, **kwargs: Any) -> Any:
        return await around(original, *args, **kwargs)

    setattr(runner, name, followed)
