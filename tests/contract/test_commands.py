"""Every slash command of the installed Hermes is classified, and none by mistake."""

from __future__ import annotations

import ast
from pathlib import Path

import gateway.run
import pytest
from hermes_cli.commands import COMMAND_REGISTRY, resolve_command

from hermes_router.relay.commands import BOTH, COMMANDS, GATEWAY, NOWHERE, WORKER


@pytest.mark.parametrize("definition", COMMAND_REGISTRY, ids=lambda definition: definition.name)
def test_each_command_and_alias_is_classified(definition: object) -> None:
    name, aliases = definition.name, set(definition.aliases)  # type: ignore[attr-defined]
    assert name in COMMANDS, f"/{name} is new: say in hermes_router/relay/commands.py where it acts"
    known = set(COMMANDS[name].aliases)
    assert aliases <= known, f"/{name} has new names: {sorted(aliases - known)}"


def test_no_name_stands_for_two_commands() -> None:
    names = [*COMMANDS, *(alias for command in COMMANDS.values() for alias in command.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("definition", COMMAND_REGISTRY, ids=lambda definition: definition.name)
def test_what_a_chat_cannot_use_is_what_hermes_keeps_to_terminals(definition: object) -> None:
    for_terminals = definition.cli_only and not definition.gateway_config_gate  # type: ignore[attr-defined]
    assert (COMMANDS[definition.name].acts is NOWHERE) == for_terminals  # type: ignore[attr-defined]


def test_every_command_that_the_gateway_dispatches_is_one_of_the_table() -> None:
    tree = ast.parse(Path(gateway.run.__file__).read_text("utf-8"))
    dispatched = {
        constant.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "canonical"
        for constant in ast.walk(node.comparators[0])
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert len(dispatched) > 40
    assert dispatched <= COMMANDS.keys()
    assert not [name for name in dispatched if COMMANDS[name].acts is NOWHERE]


def test_what_acts_on_the_process_stays_in_the_gateway() -> None:
    acts = {name: COMMANDS[name].acts for name in ("restart", "update", "platform")}
    assert set(acts.values()) == {GATEWAY}
    for name in ("stop", "approve", "model", "new", "profile", "help", "commands"):
        assert COMMANDS[name].acts is WORKER
    assert COMMANDS["whoami"].acts is BOTH


def test_an_alias_acts_where_its_command_does() -> None:
    for name, command in COMMANDS.items():
        for alias in command.aliases:
            definition = resolve_command(alias)
            assert definition is None or definition.name == name
