"""`hermes-router doctor`: what is wrong, where, and how to mend it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes_router.cli.inspect import loading
from hermes_router.config.digest import digest
from hermes_router.protocol.system.pids import start_time
from hermes_router.state import running
from hermes_router.state.running import PLACE, Running
from tests.cli.conftest import CONFIG, Installation, gateway_of

pytestmark = pytest.mark.timeout(600)  # each look imports Hermes


ADMINS = "platforms: {telegram: {extra: {allow_admin_from: ['1']}}}\n"


@pytest.fixture
def healthy(installation: Installation) -> Installation:
    installation.config.write_text(CONFIG.replace("        7: absent\n", "") + ADMINS)
    for name in ("career", "finance"):
        (installation.profile(name) / "gateway.parked").touch()
    return installation


@pytest.fixture
def gateway(healthy: Installation) -> Iterator[int]:
    """The id of a process that stands for a gateway which serves all routes of the file."""
    with gateway_of(healthy.home) as pid:
        config = loading.load(str(healthy.home), offline=True).usable_config()
        record = Running(
            pid=pid,
            start_time=start_time(pid),
            since=time.time(),
            code=running.installed(),
            table=digest(config),
            routes=len(config.table),
        )
        (healthy.home / PLACE).parent.mkdir()
        (healthy.home / PLACE).write_bytes(msgspec.json.encode(record))
        yield pid


def found(installation: Installation, check: str) -> list[dict[str, Any]]:
    answer = installation.run("doctor", "--json").json
    return [finding for finding in answer["findings"] if finding["check"] == check]


@pytest.mark.usefixtures("gateway")
def test_a_healthy_installation_is_status_0(healthy: Installation) -> None:
    (healthy.home / ".env").write_text("TELEGRAM_BOT_TOKEN=1:x\n")
    shown = healthy.run("doctor")
    assert shown.status == 0, shown.out
    lines = shown.out.splitlines()
    assert lines[1] == "no errors or warnings"
    assert lines[3].startswith(
        "passed: plugin-enabled, gateway, hermes, seams, plugin-loads, worker-seams"
    )
    assert len(lines) == 4
    shown = healthy.run("doctor", "-v")
    assert "the plugin is enabled in the gateway's configuration" in shown.out
    assert "this Hermes has every integration point that the router needs" in shown.out
    assert "Hermes loads the plugin, and the plugin takes over its message handler" in shown.out
    assert "usable: model small-model" in shown.out
    _, gateway, worker = shown.out.split("\nfunctions of Hermes that a ")
    for text, side, function in (
        (gateway, "gateway", "gateway.run.GatewayRunner._handle_message"),
        (worker, "worker", "gateway.session.SessionStore._save"),
    ):
        first, head, *rows = text.splitlines()
        assert first == f"{side} replaces"
        assert head.split() == ["FUNCTION", "REASON", "VERSIONS", "REQUIRED", "HERE"]
        (row,) = (row for row in rows if row.startswith(f"{function} "))
        assert re.split(r" {2,}", row)[2:] == ["0.19 and newer", "yes", "yes"]


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
        ("gateway", None): "warning",
        ("platform-bot", None): "warning",
        ("config-unknown-platform", None): "error",
        ("profile-exists", "absent"): "error",
        ("profile-model", "career"): "warning",
        ("profile-login", "career"): "warning",
        ("profile-workspace", "career"): "warning",
        ("profile-permissions", "career"): "warning",
        ("platform-token", "career"): "warning",
        ("profile-writable", "career"): "error",
        ("profile-config", "finance"): "error",
        ("own-gateway", "finance"): "info",
        ("gateway-commands", None): "warning",
    }
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


def test_a_platform_without_a_connection_is_an_error_without_its_message(
    healthy: Installation, gateway: int
) -> None:
    entry = {"state": "fatal", "error_message": "1:secret is refused", "writer_pid": gateway}
    state = {"pid": gateway, "platforms": {"telegram": entry}}
    (healthy.home / "gateway_state.json").write_text(json.dumps(state))
    shown = healthy.run("doctor")
    assert shown.status == 1
    assert "telegram is not connected (fatal): no message arrives from there" in shown.out
    assert "secret" not in shown.out


def test_a_broken_configuration_is_a_finding(healthy: Installation) -> None:
    healthy.config.write_text(CONFIG + "hermes_router: {unmached: deny}\n")
    shown = healthy.run("doctor")
    assert shown.status == 1
    assert "unknown key 'unmached'" in shown.out
    assert "did you mean 'unmatched'?" in shown.out
    healthy.config.write_text("profile_routes: [\n" + "x: 1\n" * 40)
    shown = healthy.run("doctor")
    mistake, left_out = re.findall(r"^  (?:error|warning)  +(.*)", shown.out, re.MULTILINE)[:2]
    assert "not valid YAML" in mistake
    assert left_out == (
        "not checked, because the file cannot be used: whether the plugin is enabled, the profiles "
        "of the routes, and the connections to their platforms"
    )
    assert "cannot be checked" not in shown.out
    assert "while parsing" not in shown.out


def test_without_hermes_it_says_so_and_how_to_mend_it(without_hermes: Installation) -> None:
    shown = without_hermes.run("doctor")
    assert shown.status == 1
    assert "Hermes is not installed in this Python" in shown.out
    assert "-m pip install PATH_OF_YOUR_CLONE" in shown.out


def test_a_seam_that_is_missing_is_named(healthy: Installation) -> None:
    """A Hermes without the method that the swap wraps, as a later one might be."""
    healthy.patch(
        """\
from hermes_router.hermes.compat.seams import required
required.RUNNER_METHODS = (*required.RUNNER_METHODS, "_method_of_another_hermes")
"""
    )
    (finding,) = found(healthy, "seams")
    assert finding["severity"] == "error"
    assert "GatewayRunner._method_of_another_hermes" in finding["what"]
    assert "routing is off" in finding["what"]


def test_what_a_worker_replaces_and_this_hermes_lacks_is_told(healthy: Installation) -> None:
    healthy.patch(
        """\
from hermes_router_worker.hermes import patching, replacements
store = "gateway.session:SessionStore"
replacements.NEEDED = patching.Patch(owner=store, name="_gone", why="rows would be lost")
replacements.USED = patching.Patch(owner=store, name="_less", why="it is quicker", required=False)
"""
    )
    shown = healthy.run("doctor", "--json")
    assert shown.status == 1
    told = {f["severity"]: f for f in shown.json["findings"] if f["check"] == "worker-seams"}
    assert set(told) == {"error", "warning"}
    needed, used = told["error"]["what"], told["warning"]["what"]
    assert needed.endswith("SessionStore._gone, which a worker must replace: rows would be lost")
    assert used.endswith("SessionStore._less, which a worker replaces: it is quicker")
    assert all(finding["where"] and finding["mend"] for finding in told.values())
    listed = {one["function"]: one for one in shown.json["replaced"]["worker"]}
    assert listed["gateway.session.SessionStore._gone"] == {
        "function": "gateway.session.SessionStore._gone",
        "why": "rows would be lost",
        "since": "0.19",
        "until": None,
        "required": True,
        "found": False,
        "missing": True,
    }
    assert listed["gateway.session.SessionStore._save"]["found"]
    assert not any(one["missing"] for one in shown.json["replaced"]["gateway"])


def test_a_worker_side_that_cannot_be_asked_is_told(healthy: Installation) -> None:
    healthy.patch(
        """\
from hermes_router_worker.hermes import replacements
del replacements.all_patches
"""
    )
    shown = healthy.run("doctor", "-v")
    assert shown.status == 1
    assert (
        "the functions of Hermes that a worker needs could not be checked: AttributeError: "
        in shown.out
    )
    assert "Traceback" not in shown.out
    assert "functions of Hermes that a gateway replaces" in shown.out
    assert "functions of Hermes that a worker replaces" not in shown.out


def test_a_hermes_that_no_test_ran_on_and_homes_of_a_newer_one_are_told(
    healthy: Installation,
) -> None:
    healthy.patch(
        """\
import hermes_router.protocol.system.versions as versions
versions.NEWEST_TESTED = "0.1.0"
"""
    )
    config = healthy.profile("career") / "config.yaml"
    config.write_text(f"_config_version: 9999\n{config.read_text()}")
    shown = healthy.run("doctor", "--json")
    told = {finding["check"]: finding for finding in shown.json["findings"]}
    assert shown.status == 5
    assert told["hermes-untested"]["severity"] == told["home-newer"]["severity"] == "warning"
    assert "the newest is 0.1.0" in told["hermes-untested"]["what"]
    assert told["home-newer"]["profile"] == "career"
    assert "config.yaml has version 9999" in told["home-newer"]["what"]


def test_a_hermes_that_does_not_start_is_told(healthy: Installation) -> None:
    patch = healthy.base / "patch"
    (patch / "hermes_cli").mkdir(parents=True)
    (patch / "hermes_cli" / "__init__.py").write_text("raise RuntimeError('broken install')\n")
    healthy.extra["PYTHONPATH"] = str(patch)
    (finding,) = found(healthy, "hermes")
    assert "broken install" in finding["what"]


def test_a_plugin_that_fails_and_a_profile_that_hermes_ignores_and_serves_are_told(
    healthy: Installation,
) -> None:
    """A `register` that raises, a tag that Hermes does not know, and a marker that went."""
    healthy.patch(
        """\
import hermes_router.plugin
def register(context):
    raise RuntimeError("no disk is mounted")
hermes_router.plugin.register = register
"""
    )
    config = healthy.profile("career") / "config.yaml"
    config.write_text(f"{config.read_text()}tool: !secret TOKEN\n")
    (healthy.profile("finance") / "gateway.parked").unlink()
    shown = healthy.run("doctor", "--home", str(healthy.home), "--json")
    assert shown.status == 1
    told = {(f["check"], f["profile"]): f for f in shown.json["findings"] if f["severity"] != "ok"}
    plugin = told["plugin-loads", None]
    assert "does not load the plugin: " in plugin["what"]
    assert "no disk is mounted" in plugin["what"]
    assert plugin["mend"].startswith(f"hermes-router enable --home {healthy.home}; else see ")
    ignored = told["profile-config", "career"]
    assert ignored["severity"] == "error"
    assert "!secret" in ignored["what"]
    assert "Hermes ignores all of this file" in ignored["mend"]
    assert ("config-ignored", "career") not in told
    assert told["profile-parked", "finance"]["mend"] == (
        f"hermes-router enable --home {healthy.home}"
    )
    assert ("profile-parked", "career") not in told


def test_launchers_disk_space_and_limits_of_the_machine_are_told(healthy: Installation) -> None:
    checks = {finding["check"] for finding in healthy.run("doctor", "--json").json["findings"]}
    assert {
        "launcher-local",
        "limit-process-tree",
        "warm-workers",
        "temporary-folder",
        "disk-space",
        "limits",
        "limit-memory",
        "limit-cpu",
        "limit-processes",
        "limit-open-files",
        "limit-output",
        "limit-control-groups",
    } <= checks
