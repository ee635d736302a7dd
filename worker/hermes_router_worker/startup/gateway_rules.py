"""Apply the gateway's access rules for slash commands, besides those of the profile."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hermes_router.protocol.commands import GATEWAY_COMMANDS
from hermes_router_worker.hermes import replacements

#: An admin that no platform can know: only the list of commands counts.
_NOBODY = secrets.token_hex(16)

_NOT_HERE = "/{command} acts on the gateway of all profiles. Please type it by that name."


def obey_gateway_rules(runner: Any) -> None:
    """Have Hermes refuse a slash command also if the gateway's access rules forbid it.

    Hermes asks for each command by its main name, also where the profile's configuration calls it
    by another one (an alias under ``quick_commands``), which the gateway does not know. So the
    gateway sends what the sender may give, see :func:`note_allowed`, and Hermes's own check is
    asked a second time with that. The profile's own rules are checked first.

    A command of the gateway itself comes to a worker only by such a name. It would act on the
    worker, so it is refused.
    """
    allowed: dict[str, list[str]] = {}

    def checking(check: Callable[..., str | None]) -> Callable[..., str | None]:
        def check_both(source: Any, command: str) -> str | None:
            refusal = check(source, command) or _by_gateway(check, source, command)
            if refusal is None and command in GATEWAY_COMMANDS:
                return _NOT_HERE.format(command=command)
            return refusal

        return check_both

    def _by_gateway(check: Any, source: Any, command: str) -> str | None:
        commands = allowed.get(str(source.user_id))
        if commands is None:
            return None
        refusal: str | None = check.__func__(_runner_with(commands, source), source, command)
        return refusal

    replacements.CHECK_SLASH_ACCESS.replace(checking, on=runner)
    runner._hermes_router_allowed_commands = allowed


def _runner_with(commands: list[str], source: Any) -> Any:
    """Return what Hermes's check reads of a runner whose rules allow only ``commands``."""
    rules = {
        "allow_admin_from": [_NOBODY],
        "user_allowed_commands": commands,
        "group_allow_admin_from": [_NOBODY],
        "group_user_allowed_commands": commands,
    }
    return SimpleNamespace(
        config=SimpleNamespace(multiplex_profiles=False, platforms={source.platform: rules})
    )


def note_allowed(runner: Any, event: Any, commands: list[str] | None) -> None:
    """Remember which commands the gateway lets the sender of a message give; None means all.

    Call this before Hermes handles the message.
    """
    allowed = getattr(runner, "_hermes_router_allowed_commands", None)
    if allowed is None:
        return
    sender = str(event.source.user_id)
    allowed.pop(sender, None)
    if commands is not None:
        allowed[sender] = commands
