"""Act just before Hermes asks the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hermes_router_worker.hermes import replacements


def before_model_requests(act: Callable[[], None]) -> None:
    """Call ``act()`` each time when Hermes is about to ask the model, in the thread of its turn.

    ``act`` may block. Hermes ignores its errors, but a ``CancelledError`` ends the turn. ``act`` is
    not called in the thread of an event loop, which it would stop.

    At that moment, Hermes checks whether a plugin has a ``pre_api_request`` hook. A real hook would
    make Hermes copy the whole request. So this module wraps the check instead.
    """

    def asking(ask: Callable[[str], bool]) -> Callable[[str], bool]:
        def has_hook(hook_name: str) -> bool:
            if hook_name == "pre_api_request" and not _in_event_loop():
                act()
            return ask(hook_name)

        return has_hook

    replacements.HAS_HOOK.replace(asking)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
