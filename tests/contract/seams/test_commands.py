"""Every slash command of the installed Hermes is classified, and none by mistake."""

from __future__ import annotations

import ast
from pathlib import Path

import gateway.run
import pytest
from hermes_cli.commands import COMMAND_REGISTRY, resolve_command

from hermes_router.protocol.commands import GATEWAY_COMMANDS
from hermes_router.relay.commands import BOTH, COMMANDS, GATEWAY, NOWHERE, WORKER, Command

NO = Command(NOWHERE, "")


#: Commands for terminals on 0.19 that are for chats from 0.20 on.
CAME_INTO_CHATS = {"save", "busy"}


@pytest.mark.parametrize("definition", COMMAND_REGISTRY, ids=lambda definition: definition.name)
def test_each_command_and_alias_is_classified(definition: object) -> None:
    name, aliases = definition.name, set(definition.aliases)  # type: ignore[attr-defined]
    assert name in COMMANDS, f"/{name} is new: say in hermes_router/relay/commands.py where it acts"
    # What is a name of another command in one version is a command of its own in the next.
    alike = {other for other in aliases if COMMANDS.get(other, NO).acts is COMMANDS[name].acts}
    unknown = aliases - set(COMMANDS[name].aliases) - alike
    assert not unknown, f"/{name} has new names: {sorted(unknown)}"


def test_both_sides_know_the_gateways_own_commands() -> None:
    assert {name for name, command in COMMANDS.items() if command.acts is GATEWAY} == (
        GATEWAY_COMMANDS
    )


def test_no_name_stands_for_two_commands() -> None:
    names = [*COMMANDS, *(alias for command in COMMANDS.values() for alias in command.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("definition", COMMAND_REGISTRY, ids=lambda definition: definition.name)
def test_what_a_chat_cannot_use_is_what_hermes_keeps_to_terminals(definition: object) -> None:
    for_terminals = definition.cli_only and not definition.gateway_config_gate  # type: ignore[attr-defined]
    nowhere = COMMANDS[definition.name].acts is NOWHERE  # type: ignore[attr-defined]
    assert nowhere == for_terminals or definition.name in CAME_INTO_CHATS  # type: ignore[attr-defined]


def test_every_command_that_the_gateway_dispatches_is_one_of_the_table() -> None:
    dispatched = in_tables() or in_comparisons()
    assert len(dispatched) > 40
    assert dispatched <= COMMANDS.keys()
    assert not [name for name in dispatched if COMMANDS[name].acts is NOWHERE]


def in_tables() -> set[str]:
    """Return the commands in the tables by which Hermes dispatches from 0.20 on."""
    runner = gateway.run.GatewayRunner
    tables = ("_PLAIN_COMMANDS", "_IDLE_COMMANDS", "_HM_CANONICAL_COMMANDS")
    return {name for table in tables for name in getattr(runner, table, ())}


def in_comparisons() -> set[str]:
    """Return the commands with which Hermes 0.19 compares what was typed."""
    tree = ast.parse(Path(gateway.run.__file__).read_text("utf-8"))
    return {
        constant.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "canonical"
        for constant in ast.walk(node.comparators[0])
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }


def test_what_acts_on_the_process_stays_in_the_gateway() -> None:
    acts = {name: COMMANDS[name].acts for name in ("restart", "update", "platform", "pause")}
    assert set(acts.values()) == {GATEWAY}
    for name in ("stop", "approve", "model", "new", "profile", "help", "commands"):
        assert COMMANDS[name].acts is WORKER
    assert COMMANDS["whoami"].acts is BOTH


def test_an_alias_acts_where_its_command_does() -> None:
    for name, command in COMMANDS.items():
        for alias in command.aliases:
            definition = resolve_command(alias)
            assert definition is None or definition.name == name
