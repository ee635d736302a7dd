"""Noticing that Hermes is about to ask the model for the first time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def report_model_requests(asks: Callable[[], None]) -> None:
    """Call ``asks()`` when Hermes is about to ask the model for the first time.

    Hermes then looks whether somebody hooks ``pre_api_request``. To hook it would have Hermes copy
    the whole request, so that its question is taken for the moment. An older Hermes, which does not
    ask, is hooked.
    """
    plugins: Any = importlib.import_module("hermes_cli.plugins")
    waiting = [asks]

    def once(**_details: Any) -> None:
        if waiting:
            waiting.pop()()

    ask = getattr(plugins, "has_hook", None)
    if ask is None:
        hooks = getattr(plugins.get_plugin_manager(), "_hooks", {})
        hooks.setdefault("pre_api_request", []).append(once)
        return

    def has_hook(hook_name: str) -> bool:
        if hook_name == "pre_api_request":
            once()
        return bool(ask(hook_name))

    plugins.has_hook = has_hook
