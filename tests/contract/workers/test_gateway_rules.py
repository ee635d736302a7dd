"""A worker obeys the gateway's rules for commands, also under names that the profile made up."""

from __future__ import annotations

from typing import Any

import pytest
from gateway.config import GatewayConfig, Platform, PlatformConfig
from gateway.platforms.base import MessageEvent
from gateway.run import GatewayRunner
from gateway.session import SessionSource

from hermes_router.hermes.compat.seams import command_rules
from hermes_router.protocol.commands import GATEWAY_COMMANDS
from hermes_router_worker.startup.gateway_rules import note_allowed, obey_gateway_rules

ADMIN, USER = "1", "9"
RULES = {"allow_admin_from": [ADMIN], "user_allowed_commands": ["usage"]}


def runner(rules: dict[str, Any]) -> Any:
    made: Any = object.__new__(GatewayRunner)
    made.config = GatewayConfig(
        platforms={Platform.TELEGRAM: PlatformConfig(enabled=True, extra=rules)}
    )
    return made


def event_of(user: str) -> Any:
    source = SessionSource(platform=Platform.TELEGRAM, chat_id="5", user_id=user, chat_type="dm")
    return MessageEvent(text="/m x", source=source)


def refusal(user: str, command: str, gateways: dict[str, Any], own: dict[str, Any]) -> str | None:
    """Return what a worker's Hermes answers when it asks for a command by its main name."""
    worker, event = runner(own), event_of(user)
    obey_gateway_rules(worker)
    allowed = command_rules.allowed_commands(runner(gateways), event.source)
    note_allowed(worker, event, allowed)
    answer: str | None = worker._check_slash_access(event.source, command)
    return answer


@pytest.mark.parametrize("user", ["nobody", "None", "*"])
def test_no_name_of_a_sender_is_an_admins(user: str) -> None:
    assert refusal(user, "model", RULES, {}) is not None


@pytest.mark.parametrize("command", ["model", "yolo", "plugins-own"])
def test_the_main_name_counts_whatever_was_typed(command: str) -> None:
    refused = refusal(USER, command, RULES, {})
    assert refused is not None
    assert refused == runner(RULES)._check_slash_access(event_of(USER).source, command)


@pytest.mark.parametrize(
    ("user", "command", "gateways", "own", "may"),
    [
        (USER, "usage", RULES, {}, True),
        (USER, "help", RULES, {}, True),
        (ADMIN, "model", RULES, {}, True),
        (USER, "model", {}, {}, True),
        (USER, "usage", RULES, {"allow_admin_from": [ADMIN]}, False),
        (ADMIN, "model", RULES, {"allow_admin_from": ["2"]}, False),
    ],
)
def test_a_command_needs_both_rules(
    user: str, command: str, gateways: dict[str, Any], own: dict[str, Any], may: bool
) -> None:
    assert (refusal(user, command, gateways, own) is None) is may


def test_rules_that_were_lifted_hold_no_more() -> None:
    worker, event = runner({}), event_of(USER)
    obey_gateway_rules(worker)
    note_allowed(worker, event, [])
    assert worker._check_slash_access(event.source, "model") is not None
    note_allowed(worker, event, None)
    assert worker._check_slash_access(event.source, "model") is None


@pytest.mark.parametrize("command", sorted(GATEWAY_COMMANDS))
def test_a_command_of_the_gateway_does_nothing_in_a_worker(command: str) -> None:
    refused = refusal(ADMIN, command, RULES, {})
    assert refused is not None
    assert f"/{command} acts on the gateway" in refused
