"""``hermes-router doctor``: everything that keeps routed conversations from working."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.commands.enable import PLUGIN, plugin_lists
from hermes_router.cli.commands.routes import TOLD_WITH_THE_PROFILE
from hermes_router.cli.inspect import layouts, loading, machine
from hermes_router.cli.inspect.findings import Finding, say_finding
from hermes_router.cli.inspect.homes import hermes_installed, wrong_interpreter
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.inspect.profile_facts import look_at
from hermes_router.cli.output import say, say_json
from hermes_router.errors import ConfigError, Problem, ProfileError
from hermes_router.profiles.config import platform_settings
from hermes_router.profiles.model import Profile
from hermes_router.protocol.versions import hermes_version

_EPILOG = """\
It looks at the plugin and at Hermes (which is imported for that, in a process of its own), at the
routes, at every profile that a route leads to, and at what this machine can do. It mends nothing.

examples:
  hermes-router doctor
  hermes-router doctor --home ~/.hermes
  hermes-router doctor --json

exit status: 0 nothing is broken (there may be warnings), 1 something is
"""

_PROBE_SECONDS = 120
_ADMINS = ("allow_admin_from", "group_allow_admin_from")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    commands.add_home_option(parser)
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Look, and print what was found; return the exit status."""
    loaded = loading.load(options.home)
    findings = list(look(loaded))
    broken = any(finding.severity == "error" for finding in findings)
    result = status.NEGATIVE if broken else status.OK
    if options.json:
        say_json(_fields(loaded, findings, result))
    else:
        _show(loaded, findings)
    return result


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield everything that there is to say."""
    yield from _plugin(loaded)
    yield from _hermes(loaded)
    yield from _routes(loaded)
    yield from _profiles(loaded)
    yield from _gateway_commands(loaded)
    yield from machine.look()


# -- the plugin and Hermes -------------------------------------------------------------------------


def _plugin(loaded: Loaded) -> Iterator[Finding]:
    where = str(loaded.home.config)
    try:
        enabled, disabled = plugin_lists(loaded.home.config)
    except ConfigError as error:
        yield _error("plugin-enabled", f"cannot be told: {error.message}", where, "mend the file")
        return
    if PLUGIN in disabled:
        mend = "take it out of plugins.disabled, which wins over plugins.enabled"
        yield _error("plugin-enabled", f"{PLUGIN} stands in plugins.disabled", where, mend)
    elif PLUGIN in enabled:
        yield _ok("plugin-enabled", "the plugin is enabled in the gateway's configuration")
    else:
        mend = "hermes-router enable, and restart the gateway"
        yield _error("plugin-enabled", "the plugin is not enabled", where, mend)


def _hermes(loaded: Loaded) -> Iterator[Finding]:
    if not hermes_installed():
        error = wrong_interpreter()
        yield _error("hermes", error.message, error.where, error.hint)
        return
    points = entry_points(group="hermes_agent.plugins")
    if PLUGIN not in points.names:
        mend = f"install it again: {layouts.of_python(Path(sys.executable)).install}"
        yield _error("hermes", "Hermes cannot find the plugin", sys.executable, mend)
        return
    answer, trouble = probe(loaded)
    if answer is None:
        mend = "run `hermes doctor`: Hermes itself does not start"
        yield _error("hermes", f"Hermes could not be asked: {trouble}", sys.executable, mend)
        return
    yield _ok("hermes", f"Hermes {answer['hermes']} in {sys.executable}")
    yield from _seams(answer)
    yield from _platforms(loaded, frozenset(answer["platforms"]))


def _seams(answer: dict[str, Any]) -> Iterator[Finding]:
    if answer["missing"]:
        what = f"this Hermes ({answer['hermes']}) lacks {', '.join(answer['missing'])}; "
        mend = "install a Hermes that hermes-router supports, or a newer hermes-router"
        yield _error("seams", f"{what}routing is off", sys.executable, mend)
        return
    yield _ok("seams", "this Hermes has every seam that the router needs")
    if answer["swapped"]:
        yield _ok("plugin-loads", "Hermes loads the plugin, and the plugin takes its place")


def _platforms(loaded: Loaded, known: frozenset[str]) -> Iterator[Finding]:
    """Report routes for platforms that this Hermes does not have."""
    config, error = loading.read(loaded.file, loaded.home, known)
    problems = config.problems if config else error.problems if error else ()
    told = set(loaded.problems)
    yield from (_of_problem(problem) for problem in problems if problem not in told)


def probe(loaded: Loaded) -> tuple[dict[str, Any] | None, str]:
    """Ask Hermes in a process of its own; return its answer, or None and what happened."""
    environment = {**os.environ, "HERMES_HOME": str(loaded.home.path)}
    # The home has been chosen: the sticky profile must not choose again.
    environment["HERMES_S6_SUPERVISED_CHILD"] = "1"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hermes_router.hermes.compat.probe"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        lines = done.stdout.splitlines()
        return msgspec.json.decode(lines[-1] if lines else b"", type=dict[str, Any]), ""
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_PROBE_SECONDS} s"
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return None, words[-1] if words else f"it ended with status {done.returncode}"


# -- routes and profiles ---------------------------------------------------------------------------


def _routes(loaded: Loaded) -> Iterator[Finding]:
    for problem in loaded.problems:
        if problem.code not in TOLD_WITH_THE_PROFILE:
            yield _of_problem(problem)
    config = loaded.config
    if config is None:
        return
    where = str(loaded.file)
    if len(config.table):
        yield _ok("routes", f"{len(config.table)} routes in {where}")
    elif config.worker_profiles():
        yield _ok("routes", f"no routes, unmatched messages have a profile, in {where}")
    else:
        mend = "write gateway.profile_routes; see configs/example.yaml of hermes-router"
        yield Finding(
            check="routes",
            severity="warning",
            what="there are no routes: every message is answered by the gateway itself",
            where=where,
            mend=mend,
        )


def _profiles(loaded: Loaded) -> Iterator[Finding]:
    config = loaded.config
    if config is None:
        return
    for name in config.worker_profiles():
        facts = look_at(name, loaded.home.root, config.settings(name))
        yield from facts.findings
        if not facts.findings:
            what = f"usable: model {facts.model}, works in {facts.cwd}"
            yield Finding(check="profile", severity="ok", what=what, profile=name)


def _gateway_commands(loaded: Loaded) -> Iterator[Finding]:
    """Warn where everybody who may write may also restart the gateway of several profiles."""
    config = loaded.config
    if config is None or len(config.worker_profiles()) < 2:
        return
    gateway = Profile(loaded.home.profile, loaded.home.path)
    try:
        open_to_all = [
            platform
            for platform in sorted({route.platform for route in config.table.routes})
            if not any(platform_settings(gateway, platform).get(name) for name in _ADMINS)
        ]
    except ProfileError:
        return  # told with the configuration
    if open_to_all:
        yield Finding(
            check="gateway-commands",
            severity="warning",
            what="everybody who may write on "
            f"{', '.join(open_to_all)} may /restart and /update the gateway of all profiles",
            where=str(loaded.home.config),
            mend="name the gateway's admins: platforms.<platform>.extra.allow_admin_from and "
            "group_allow_admin_from",
        )


# -- telling ---------------------------------------------------------------------------------------


def _show(loaded: Loaded, findings: list[Finding]) -> None:
    say(f"gateway home {loaded.home.path} (from {loaded.home.chosen_by})")
    for finding in findings:
        say_finding(finding)
    counts = _counts(findings)
    say(f"{counts['error']} broken, {counts['warning']} to look at, {counts['ok']} fine")


def _fields(loaded: Loaded, findings: list[Finding], result: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "command": "doctor",
        "exit_status": result,
        "hermes": hermes_version(),
        "config": loaded.described(),
        "findings": [finding.fields() for finding in findings],
        "counts": _counts(findings),
    }


def _counts(findings: list[Finding]) -> dict[str, int]:
    words = [finding.severity for finding in findings]
    return {word: words.count(word) for word in ("error", "warning", "info", "ok")}


def _of_problem(problem: Problem) -> Finding:
    path = f"{problem.path}: " if problem.path else ""
    return Finding(
        check=f"config-{problem.code}",
        severity="warning" if problem.severity == "warning" else "error",
        what=f"{path}{problem.message}",
        where=problem.where,
        mend=problem.hint,
    )


def _error(check: str, what: str, where: str, mend: str) -> Finding:
    return Finding(check=check, severity="error", what=what, where=where, mend=mend)


def _ok(check: str, what: str) -> Finding:
    return Finding(check=check, severity="ok", what=what)
