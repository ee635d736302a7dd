"""Wrapping what Hermes's runner does, to see when it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes.patching import Patch


def follow(patch: Patch, runner: Any, around: Callable[..., Any]) -> None:
    """Have ``around`` called with a coroutine method of the runner and what that is called with."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        async def followed(*args: Any, **kwargs: Any) -> Any:
            return await around(original, *args, **kwargs)

        return followed

    patch.replace(wrapper, on=runner)
