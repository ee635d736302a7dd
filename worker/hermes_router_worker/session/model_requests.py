"""Act just before Hermes asks the model for a turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes import replacements


def before_model_requests(act: Callable[[], None], *, applies: Callable[[], bool]) -> None:
    """Call ``act()`` each time Hermes is about to ask the model, in the thread that asks.

    A session uses this to have the gateway note that a turn has begun. ``act`` may block. Hermes
    ignores its errors, but an ``asyncio.CancelledError`` ends the turn. It is not called where
    ``applies()`` is False.

    At that moment, Hermes checks whether somebody has a ``pre_api_request`` hook. A real hook would
    make Hermes copy the whole request, so this function wraps the check. If Codex's own program
    runs the turn, Hermes makes no such check, so the start of the program is wrapped too.
    """

    def asking(ask: Callable[[str], bool]) -> Callable[[str], bool]:
        def has_hook(hook_name: str) -> bool:
            if hook_name == "pre_api_request" and applies():
                act()
            return ask(hook_name)

        return has_hook

    def handing_over(run: Callable[..., Any]) -> Callable[..., Any]:
        def run_codex(*args: Any, **kwargs: Any) -> Any:
            if applies():
                act()
            return run(*args, **kwargs)

        return run_codex

    replacements.HAS_HOOK.replace(asking)
    replacements.RUN_CODEX.replace(handing_over)
