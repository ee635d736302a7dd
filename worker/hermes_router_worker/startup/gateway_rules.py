"""Apply the gateway's access rules for slash commands, besides those of the profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes import replacements


def obey_gateway_rules(runner: Any) -> None:
    """Have Hermes refuse a slash command also if the gateway's access rules forbid it.

    The gateway checks its rules itself, and sends its refusal with the message.
    :func:`note_refusal` gets it before Hermes handles the message. The profile's own rules are
    checked first.
    """
    refusals: dict[tuple[str, str], str] = {}

    def checking(check: Callable[..., str | None]) -> Callable[..., str | None]:
        def check_both(source: Any, command: str) -> str | None:
            return check(source, command) or refusals.get((str(source.user_id), command))

        return check_both

    replacements.CHECK_SLASH_ACCESS.replace(checking, on=runner)
    runner._hermes_router_refusals = refusals


def note_refusal(runner: Any, event: Any, refusal: str | None) -> None:
    """Remember the gateway's refusal of a message's slash command; None means that it may run.

    The sender gets ``refusal`` as the answer when Hermes checks the command. A message without a
    command changes nothing.
    """
    refusals = getattr(runner, "_hermes_router_refusals", None)
    command = event.get_command()
    if refusals is None or not command:
        return
    asked = (str(event.source.user_id), command)
    refusals.pop(asked, None)
    if refusal is not None:
        refusals[asked] = refusal
