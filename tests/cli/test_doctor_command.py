"""`hermes-router doctor`: what is wrong, where, and how to mend it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, Installation

pytestmark = pytest.mark.timeout(240)  # each look imports Hermes


ADMINS = "platforms: {telegram: {extra: {allow_admin_from: ['1']}}}\n"


@pytest.fixture
def healthy(installation: Installation) -> Installation:
    installation.config.write_text(CONFIG.replace("        7: absent\n", "") + ADMINS)
    return installation


def found(installation: Installation, check: str) -> list[dict[str, Any]]:
    answer = installation.run("doctor", "--json").json
    return [finding for finding in answer["findings"] if finding["check"] == check]


def test_a_healthy_installation_is_status_0(healthy: Installation) -> None:
    (healthy.home / ".env").write_text("TELEGRAM_BOT_TOKEN=1:x\n")
    shown = healthy.run("doctor")
    assert shown.status == 0, shown.out
    lines = shown.out.splitlines()
    assert lines[1] == "all is well"
    assert lines[3].startswith("fine: plugin-enabled, hermes, seams, plugin-loads, routes, career,")
    assert len(lines) == 4
    shown = healthy.run("doctor", "-v")
    assert "the plugin is enabled in the gateway's configuration" in shown.out
    assert "this Hermes has every seam that the router needs" in shown.out
    assert "Hermes loads the plugin, and the plugin takes its place" in shown.out
    assert "usable: model small-model" in shown.out


def test_everything_that_is_wrong_is_told_with_its_mending(healthy: Installation) -> None:
    """One look at many faults: each look takes seconds."""
    career, finance = healthy.profile("career"), healthy.profile("finance")
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=123:secret\nOPENROUTER_API_KEY=sk-x\n")
    career.chmod(0o755)
    (career / ".env").chmod(0o644)
    (career / "config.yaml").write_text(
        "{terminal: {cwd: /nowhere/at/all}, model: {provider: nous}}\n"
    )
    (career / "home").write_text("a file where a folder should be")
    (finance / "config.yaml").write_text("a: [\n")
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    record = json.dumps({"pid": os.getpid(), "start_time": start})
    (finance / "gateway.pid").write_text(record)
    text = CONFIG.replace("enabled: [hermes-router]", "enabled: [other]")
    (healthy.profile("career").parents[1] / "auth.json").write_text(
        '{"providers": {"nous": {"x": 1}}}'
    )
    platform = "profile_routes: [{platform: telepathy, profile: career}]\n"
    healthy.config.write_text(text + platform)
    shown = healthy.run("doctor", "--json")
    assert shown.status == 1
    assert "123:secret" not in shown.out
    assert "sk-x" not in shown.out
    findings = shown.json["findings"]
    wrong = {
        (finding["check"], finding["profile"]): finding
        for finding in findings
        if finding["severity"] != "ok"
        and not finding["check"].startswith(("launcher-", "limit-"))  # what this machine lacks
    }
    severities = {key: finding["severity"] for key, finding in wrong.items()}
    assert severities == {
        ("plugin-enabled", None): "error",
        ("plugin-loads", None): "error",
        ("gateway", None): "info",
        ("platform-bot", None): "warning",
        ("config-ignored", "finance"): "error",
        ("config-unknown-platform", None): "error",
        ("profile-exists", "absent"): "error",
        ("profile-model", "career"): "warning",
        ("profile-login", "career"): "warning",
        ("profile-workspace", "career"): "warning",
        ("profile-permissions", "career"): "warning",
        ("platform-token", "career"): "warning",
        ("profile-writable", "career"): "error",
        ("profile-config", "finance"): "error",
        ("profile-key", "finance"): "error",
        ("profile-model", "finance"): "warning",
        ("own-gateway", "finance"): "info",
        ("gateway-commands", None): "warning",
    }
    del wrong["gateway", None]
    assert all(finding["where"] and finding["mend"] for finding in wrong.values())
    assert "TELEGRAM_BOT_TOKEN" in wrong["platform-token", "career"]["what"]


def test_a_gateway_of_several_profiles_that_anybody_may_command_is_told(
    healthy: Installation,
) -> None:
    assert found(healthy, "gateway-commands") == []
    healthy.config.write_text(healthy.config.read_text().replace(ADMINS, ""))
    (finding,) = found(healthy, "gateway-commands")
    assert finding["severity"] == "warning"
    assert "/restart" in finding["what"]
    assert "allow_admin_from" in finding["mend"]


def test_a_broken_configuration_is_a_finding(healthy: Installation) -> None:
    healthy.config.write_text(CONFIG + "hermes_router: {unmached: deny}\n")
    shown = healthy.run("doctor")
    assert shown.status == 1
    assert "unknown key 'unmached'" in shown.out
    assert "did you mean 'unmatched'?" in shown.out


def test_without_hermes_it_says_so_and_how_to_mend_it(without_hermes: Installation) -> None:
    shown = without_hermes.run("doctor")
    assert shown.status == 1
    assert "Hermes is not installed in this Python" in shown.out
    assert "-m pip install PATH_OF_YOUR_CLONE" in shown.out


def test_a_seam_that_is_missing_is_named(healthy: Installation) -> None:
    """A Hermes without the method that the swap wraps, as a later one might be."""
    patch = healthy.base / "patch"
    patch.mkdir()
    (patch / "usercustomize.py").write_text("")
    (patch / "sitecustomize.py").write_text(
        """\
import hermes_router.hermes.compat.seams as seams
seams.RUNNER_METHODS = (*seams.RUNNER_METHODS, "_method_of_another_hermes")
"""
    )
    healthy.extra["PYTHONPATH"] = str(patch)
    (finding,) = found(healthy, "seams")
    assert finding["severity"] == "error"
    assert "GatewayRunner._method_of_another_hermes" in finding["what"]
    assert "routing is off" in finding["what"]


def test_a_hermes_that_does_not_start_is_told(healthy: Installation) -> None:
    patch = healthy.base / "patch"
    (patch / "hermes_cli").mkdir(parents=True)
    (patch / "hermes_cli" / "__init__.py").write_text("raise RuntimeError('broken install')\n")
    healthy.extra["PYTHONPATH"] = str(patch)
    (finding,) = found(healthy, "hermes")
    assert "broken install" in finding["what"]


def test_launchers_and_limits_of_the_machine_are_told(healthy: Installation) -> None:
    checks = {finding["check"] for finding in healthy.run("doctor", "--json").json["findings"]}
    assert {
        "launcher-local",
        "limit-process-tree",
        "warm-workers",
        "temporary-folder",
        "limits",
        "limit-memory",
        "limit-cpu",
        "limit-processes",
        "limit-open-files",
        "limit-output",
        "limit-control-groups",
    } <= checks
