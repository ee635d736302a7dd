"""Apply the gateway's access rules for slash commands, besides those of the profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes import replacements


def obey_gateway_rules(runner: Any) -> None:
    """Check the gateway's rules wherever Hermes checks the profile's; see note_refusal."""
    refusals: dict[tuple[str, str], str] = {}

    def checking(check: Callable[..., str | None]) -> Callable[..., str | None]:
        def check_both(source: Any, command: str) -> str | None:
            return check(source, command) or refusals.get((str(source.user_id), command))

        return check_both

    replacements.CHECK_SLASH_ACCESS.replace(checking, on=runner)
    runner._hermes_router_refusals = refusals


def note_refusal(runner: Any, event: Any, refusal: str | None) -> None:
    """Remember the gateway's refusal of the command in a message; None allows the command."""
    refusals = getattr(runner, "_hermes_router_refusals", None)
    command = event.get_command()
    if refusals is None or not command:
        return
    asked = (str(event.source.user_id), command)
    refusals.pop(asked, None)
    if refusal is not None:
        refusals[asked] = refusal
