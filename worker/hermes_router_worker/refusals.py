"""Telling the model, and so the person, which setting stands behind a refusal of the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hermes_router_worker import kernel

#: What sudo, and podman's newuidmap, say when the flag no_new_privs is set.
_NO_NEW_PRIVS = re.compile(
    r"no new privileges|effective uid is not 0|new[ug]idmap.*(?:not permitted|failed)",
    re.IGNORECASE,
)


def explain(profile: str) -> None:
    """Have Hermes's terminal add the setting's name to a refusal; nothing where that is no hook."""
    from hermes_cli.plugins import get_plugin_manager

    hooks = getattr(get_plugin_manager(), "_hooks", None)
    if hooks is not None and kernel.gave_up_new_privileges():
        hooks.setdefault("transform_terminal_output", []).append(_explainer(profile))


def _explainer(profile: str) -> Callable[..., str | None]:
    key = f"hermes_router.profiles.{profile}.hardening.no_new_privs"

    def explained(output: str = "", **_details: Any) -> str | None:
        if not _NO_NEW_PRIVS.search(output):
            return None
        return (
            f"{output.rstrip()}\n[hermes-router: this profile's processes may not gain privileges. "
            f"Who runs the gateway can allow it there with {key}: false.]"
        )

    return explained
