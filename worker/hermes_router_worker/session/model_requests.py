"""Notice the moment before Hermes asks the model for the first time."""

from __future__ import annotations

from collections.abc import Callable

from hermes_router_worker.hermes import replacements


def report_model_requests(asks: Callable[[], None]) -> None:
    """Call ``asks()`` when Hermes is about to ask the model for the first time.

    At that moment, Hermes checks whether a plugin has a ``pre_api_request`` hook. A real hook would
    make Hermes copy the whole request. So this module wraps the check instead.
    """
    waiting = [asks]

    def asking(ask: Callable[[str], bool]) -> Callable[[str], bool]:
        def has_hook(hook_name: str) -> bool:
            if hook_name == "pre_api_request" and waiting:
                waiting.pop()()
            return ask(hook_name)

        return has_hook

    replacements.HAS_HOOK.replace(asking)
