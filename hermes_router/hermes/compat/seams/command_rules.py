"""Who may use the gateway and its commands, by Hermes's own rules and by its plugins' hooks."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from typing import Any

from hermes_router.hermes.compat.events import with_text

logger = logging.getLogger(__name__)


def authorized(runner: Any, source: Any) -> bool:
    """Return True if Hermes's rules allow the sender of a message to use the gateway.

    These are the gateway's rules: its lists of people and its pairing. A profile's own lists do not
    count here.
    """
    of_source = getattr(runner, "_is_user_authorized_for_source", runner._is_user_authorized)
    return bool(of_source(source))


def count_and_admit(runner: Any, event: Any) -> bool:
    """Count a message that goes to a worker as Hermes counts its own; return False to drop it.

    Hermes counts for two reasons. If bots answer each other without an end, their messages are
    dropped for a while. A gateway that sleeps when nobody writes must know of each message.
    Hermes's own events are not counted.
    """
    if event.internal:
        return True
    note = getattr(runner, "_scale_to_zero_note_real_inbound", None)
    if note is not None:
        note()
    admit = getattr(runner, "_admit_bot_message_for_source", None)
    return admit is None or bool(admit(event.source))


def bypasses_running_turn(command: str | None) -> bool:
    """Return True if Hermes executes this command at once even while a turn of the session runs.

    ``/stop`` is such a command.
    """
    commands = importlib.import_module("hermes_cli.commands")
    return bool(command and commands.should_bypass_active_session(command))


def canonical_command(command: str | None) -> str | None:
    """Return the main name of one of Hermes's own commands, given a name or an alias of it.

    Any other word is returned unchanged; None if ``command`` is None or empty.
    """
    if not command:
        return None
    definition = importlib.import_module("hermes_cli.commands").resolve_command(command)
    return definition.name if definition is not None else command


def is_built_in(command: str | None) -> bool:
    """Return True if a word is one of Hermes's own commands, or an alias of one.

    Skills and commands of plugins are not.
    """
    resolve = importlib.import_module("hermes_cli.commands").resolve_command
    return bool(command and resolve(command) is not None)


def command_refusal(runner: Any, source: Any, command: str | None, user_id: str) -> str | None:
    """Return Hermes's refusal if the gateway's rules forbid a user this command, else None.

    ``source`` is the place; the user need not be the one who wrote there.
    """
    check = getattr(runner, "_check_slash_access", None)
    name = canonical_command(command)
    if check is None or name is None:
        return None
    answer: str | None = check(dataclasses.replace(source, user_id=user_id), name)
    return answer


def refusal_of(runner: Any, event: Any) -> str | None:
    """Return Hermes's answer if the gateway's rules forbid a message's command, or None.

    A word that is no command of the gateway is checked too: it may be a command of the profile, or
    a skill, which everybody may use. Only the worker knows. The worker applies the profile's own
    rules as well, but a profile without rules would allow everything.
    """
    source = event.source
    return command_refusal(runner, source, event.get_command(), source.user_id)


def allowed_commands(runner: Any, source: Any) -> list[str] | None:
    """Return the commands that the gateway's rules let the sender give; None if it may give all.

    ``help`` and ``whoami``, which Hermes lets everybody give, are left out. The worker needs the
    list: a profile may call a command by another name, which only its worker knows.
    """
    access = importlib.import_module("gateway.slash_access")
    of_runner = getattr(access, "policy_for_runner_source", None)
    policy = (
        access.policy_for_source(getattr(runner, "config", None), source)
        if of_runner is None
        else of_runner(runner, source)
    )
    return None if policy.is_admin(source.user_id) else sorted(policy.user_allowed_commands)


def is_gateway_command(command: str | None) -> bool:
    """Return True if this is a command of Hermes or of a plugin of the gateway's home."""
    commands = importlib.import_module("hermes_cli.commands")
    known = getattr(commands, "is_gateway_known_command", None)
    name = canonical_command(command)
    return bool(name and (commands.resolve_command(name) or (known is not None and known(name))))


def has_command_rules(runner: Any, source: Any) -> bool:
    """Return True if the gateway's configuration lists who may use commands in such a place.

    Then the gateway answers ``/whoami`` there. Hermes has one list for direct chats and one for
    groups.
    """
    access = importlib.import_module("gateway.slash_access")
    return bool(access.policy_for_source(runner.config, source).enabled)


def list_allows(lists: dict[str, Any], scope: str, user_id: str, command: str) -> bool | None:
    """Return True if a platform's settings allow a user this command; None if they do not say.

    ``scope`` is the kind of place whose rules count: ``dm`` or ``group``.
    """
    access = importlib.import_module("gateway.slash_access")
    policy = access.policy_from_extra(lists, scope)
    return bool(policy.can_run(user_id, command)) if policy.enabled else None


async def _asked_hooks(name: str, **payload: Any) -> Any:
    """Call the hooks of plugins, and await those that are coroutines if this Hermes has such."""
    plugins = importlib.import_module("hermes_cli.plugins")
    ask = getattr(plugins, "ainvoke_hook", None)
    return plugins.invoke_hook(name, **payload) if ask is None else await ask(name, **payload)


async def after_hooks(runner: Any, event: Any) -> Any:
    """Have the gateway home's ``pre_gateway_dispatch`` hooks see a message, as Hermes would.

    Returns the message, rewritten if a hook says so, or None if a hook says to skip it. Hermes
    calls these hooks itself for every message that it handles; the router calls this for routed
    messages. If a hook raises, the message goes on unchanged.
    """
    try:
        results = await _asked_hooks(
            "pre_gateway_dispatch",
            event=event,
            gateway=runner,
            session_store=runner.session_store,
        )
    except Exception as error:  # noqa: BLE001 - boundary: plugins may raise anything
        logger.warning("pre_gateway_dispatch invocation failed: %s", error)
        return event
    for result in results or ():
        action = result.get("action") if isinstance(result, dict) else None
        if action == "skip":
            logger.info("pre_gateway_dispatch skip: reason=%s", result.get("reason"))
            return None
        if action == "rewrite":
            text = result.get("text")
            return with_text(event, text) if isinstance(text, str) else event
        if action == "allow":
            break
    return event
