"""`hermes router ...`: the same commands inside Hermes, where its plugins may have commands."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import CHAT, Installation, Shown

pytestmark = pytest.mark.timeout(600)


def hermes(installation: Installation, *arguments: str) -> Shown:
    done = subprocess.run(
        [sys.executable, "-m", "hermes_cli.main", "router", *arguments],
        env=installation.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Shown(done.returncode, done.stdout, done.stderr)


def test_hermes_router_is_the_same_command(installation: Installation) -> None:
    for arguments in (("routes",), ("test-route", f"telegram:{CHAT}:6")):
        ours, theirs = installation.run(*arguments), hermes(installation, *arguments)
        assert theirs.status == ours.status
        assert theirs.out == ours.out.replace("hermes-router doctor", "hermes router doctor")


def test_statuses_and_errors_are_the_commands_own(installation: Installation) -> None:
    assert hermes(installation, "test-route", "telegram:-42").status == 1
    assert hermes(installation, "test-route", f"telegram:{CHAT}:7").status == 3
    wrong = hermes(installation, "test-route")
    assert wrong.status == 2
    assert "ERROR: the following arguments are required: PLACE" in wrong.err
    assert "TIP: see hermes router test-route --help" in wrong.err
    assert hermes(installation).status == 2


def test_a_hermes_without_plugin_commands_still_gets_the_swap() -> None:
    from hermes_router import plugin

    class Old:
        """The context of a Hermes that has no register_cli_command."""

    plugin.register(Old())


def test_the_parser_is_described_only_when_hermes_asks() -> None:
    from hermes_router import plugin

    registered: list[dict[str, Any]] = []

    class Context:
        def register_cli_command(self, **fields: Any) -> None:
            registered.append(fields)

    plugin.register(Context())
    parser = argparse.ArgumentParser("hermes router")
    registered[0]["setup_fn"](parser)
    assert parser.parse_args(["routes", "--json"]).router_command == "routes"


def test_a_slip_in_the_routes_is_not_what_was_meant(installation: Installation) -> None:
    installation.config.write_text('profile_routes: {telegramm: {"5": career}}\n')
    told = installation.run("test-route", "telegram:5").out
    assert (
        "the routes name the platform 'telegramm', which no Hermes has; check its spelling" in told
    )
    assert "did you mean" not in told
    installation.config.write_text('profile_routes: {telegram: {"5": career}}\n')
    assert "routes exist for: telegram" in installation.run("test-route", "slack:C05ABC").out
