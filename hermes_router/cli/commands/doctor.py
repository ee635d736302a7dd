"""``hermes-router doctor``: find everything that keeps routed conversations from working."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hermes_router.base.errors import ConfigError
from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.commands.routes import TOLD_WITH_THE_PROFILE
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.checks import (
    admins,
    ask,
    connections,
    credentials,
    disk_space,
    gateway_home,
    last_turns,
    machine,
    plugin_folder,
    replaced,
    served,
)
from hermes_router.cli.inspect.findings import Finding, of_problem, say_finding
from hermes_router.cli.inspect.homes import hermes_installed
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.setup.parking import MARKER
from hermes_router.cli.setup.plugin_names import PLUGIN, plugin_lists
from hermes_router.cli.terminal.output import counted, paint, say, say_json, say_prose
from hermes_router.cli.terminal.pager import paged
from hermes_router.protocol.system.versions import hermes_version
from hermes_router.state import running

_EPILOG = """\
It checks the plugin, Hermes (a separate process imports it), the running gateway and its
connections, the routes, every profile with a route and its last turn, and this machine with its
free disk space. It changes nothing. It lists errors and warnings by profile. With -v it also lists
passed checks, and the functions of Hermes that a gateway or a worker replaces ($PAGER shows them).

examples:
  hermes-router doctor
  hermes-router doctor -v
  hermes-router doctor --home ~/.hermes
  hermes-router doctor --json

exit status: 0 no errors or warnings, 1 at least one error, 5 warnings only
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    commands.add_home_option(parser)
    commands.add_offline_option(parser)
    commands.add_verbose_option(parser, "also list the checks that passed")
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Check the installation and print the findings; return the exit status."""
    loaded = loading.load(options.home, offline=options.offline)
    answers = ask.probe(loaded)
    listed = {side: answer.replaced for side, answer in answers.items()}
    findings = list(look(loaded, answers))
    result = _status(findings)
    if options.json:
        say_json(_fields(loaded, findings, result) | {"replaced": replaced.fields(listed)})
    elif options.verbose:
        with paged():
            _show(loaded, findings, everything=True)
            replaced.show(listed)
    else:
        _show(loaded, findings, everything=False)
    return result


def look(loaded: Loaded, answers: Mapping[str, ask.Answer]) -> Iterator[Finding]:
    """Yield all findings of ``doctor``; ``answers`` is the result of :func:`ask.probe`.

    If the configuration cannot be used, its mistakes come first, and routed profiles are not
    checked.
    """
    if loaded.config is None:
        yield from _routes(loaded)
        yield _not_checked(loaded)
    enabled = list(_enabled(loaded))
    yield from enabled
    unwritable = list(gateway_home.look(loaded))
    yield from unwritable
    unread = bool(unwritable) or (loaded.config is None and not enabled)
    yield _gateway(loaded)
    yield from connections.look(loaded)
    yield from plugin_folder.look(loaded.home)
    switched_off = any(finding.severity == "error" for finding in enabled)
    for finding in ask.look(loaded, answers):
        if not ((switched_off or unread) and ask.says_only_switched_off(finding)):
            yield finding
    if loaded.config is not None:
        yield from _routes(loaded)
    yield from credentials.look(loaded)
    yield from _profiles(loaded)
    yield from last_turns.look(loaded)
    yield from served.look(loaded, MARKER)
    yield from admins.look(loaded)
    yield from disk_space.look(loaded)
    yield from machine.look()


def _status(findings: Iterable[Finding]) -> int:
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return status.NEGATIVE
    return status.WARNINGS if "warning" in severities else status.OK


# -- the plugin and the gateway --------------------------------------------------------------------


def _enabled(loaded: Loaded) -> Iterator[Finding]:
    where = str(loaded.home.config)
    mend = f"{loaded.home.router('enable')} && {loaded.home.restart}"
    try:
        enabled, disabled = plugin_lists(loaded.home.config)
    except ConfigError:
        return  # the mistake is reported, and _not_checked() says this
    if PLUGIN in disabled:
        what = f"{PLUGIN} is in plugins.disabled, which overrides plugins.enabled"
        yield _error("plugin-enabled", what, where, mend)
    elif PLUGIN in enabled:
        yield _ok("plugin-enabled", "the plugin is enabled in the gateway's configuration")
    elif loaded.home.config.is_symlink() and not loaded.home.config.exists():
        target = os.path.realpath(loaded.home.config)
        what = f"the plugin is not enabled: config.yaml is a link to {target}, which does not exist"
        yield _error("plugin-enabled", what, where, f"bring the file back; else {mend}")
    else:
        yield _error("plugin-enabled", "the plugin is not enabled", where, mend)


def _gateway(loaded: Loaded) -> Finding:
    """Report whether the running gateway does what the files say."""
    serving = loaded.serving
    if serving.state == "not-running":
        return _no_gateway(loaded)
    words = {"without-router": "error", "refused": "error", "older": "warning", "hidden": "warning"}
    mend = serving.mend
    if serving.state == "without-router":  # its fix is this command
        mend = f"do what the other errors say, then {loaded.home.restart}"
    severity: Any = words.get(serving.state, "ok" if serving.state == "serving" else "info")
    return Finding(
        check="gateway",
        severity=severity,
        what=f"the gateway: {serving.what}",
        where=f"process {serving.pid}" if serving.pid else "",
        mend=mend,
    )


def _no_gateway(loaded: Loaded) -> Finding:
    """Tell a gateway that was not started from one that left its record when it ended."""
    killed = running.was_killed(loaded.home.path)
    ended = "it was killed, or it crashed" if killed else "nobody has started it, or it was stopped"
    return Finding(
        check="gateway",
        severity="error" if killed else "warning",
        what=f"the gateway does not run, so nobody answers: {ended}",
        where=str(loaded.home.path),
        mend=loaded.home.hermes("gateway run"),
    )


# -- routes and profiles ---------------------------------------------------------------------------


def _routes(loaded: Loaded) -> Iterator[Finding]:
    for problem in loaded.problems:
        if problem.code == "unknown-platform" and hermes_installed():
            continue  # Hermes was asked, and its answer is newer than our list
        if loaded.config is None or problem.code not in TOLD_WITH_THE_PROFILE:
            yield of_problem(problem)
    config = loaded.config
    if config is None:
        return
    where = str(loaded.file)
    if len(config.table):
        yield _ok("routes", f"{counted(len(config.table), 'route')} in {where}")
    elif config.worker_profiles():
        yield _ok("routes", f"no routes, but a profile for unmatched messages, in {where}")
    else:
        mend = (
            f"add routes: {loaded.home.router('route add PLACE PROFILE')}, or "
            "gateway.profile_routes as in configs/example.yaml"
        )
        yield Finding(
            check="routes",
            severity="warning",
            what="there are no routes: the gateway itself answers every message",
            where=where,
            mend=mend,
        )


def _not_checked(loaded: Loaded) -> Finding:
    """Say what is not looked at while the configuration cannot be used."""
    what = "the profiles of the routes, and the connections to their platforms"
    try:
        plugin_lists(loaded.home.config)
    except ConfigError:
        what = f"whether the plugin is enabled, {what}"
    if ask.would_wait(loaded.home.config):
        what = f"Hermes, {what}"
    return Finding(
        check="not-checked",
        severity="warning",
        what=f"not checked, because the file cannot be used: {what}",
        where=str(loaded.file),
        mend="correct the file, then run this again",
    )


def _profiles(loaded: Loaded) -> Iterator[Finding]:
    config = loaded.config
    if config is None:
        return
    for name in config.worker_profiles():
        facts = loaded.look_at(name)
        yield from facts.findings
        if facts.usable and not any(f.severity == "warning" for f in facts.findings):
            what = f"usable: model {facts.model}, working directory {facts.cwd}"
            yield Finding(check="profile", severity="ok", what=what, profile=name)


# -- telling ---------------------------------------------------------------------------------------


def _show(loaded: Loaded, findings: list[Finding], *, everything: bool) -> None:
    say(f"gateway home {loaded.home.path} (from {loaded.home.chosen_by})")
    say(paint(_verdict(findings), "bold"))
    wanted = {"error", "warning"} | ({"info", "ok"} if everything else set())
    told = [finding for finding in findings if finding.severity in wanted]
    order = {"error": 0, "warning": 1, "info": 2, "ok": 3}
    profiles = list(dict.fromkeys(finding.profile for finding in told))
    told.sort(key=lambda f: (profiles.index(f.profile), order[f.severity]))
    for profile, group in itertools.groupby(told, key=lambda finding: finding.profile):
        say(f"\n{f'profile {profile}' if profile else 'gateway'}")
        for finding in group:
            say_finding(finding, indent="  ")
    fine = [finding for finding in findings if finding.severity == "ok"]
    if fine and not everything:
        names = dict.fromkeys(finding.profile or _short(finding.check) for finding in fine)
        say()
        say_prose("passed: ", f"{', '.join(names)} (-v for details)")


def _short(check: str) -> str:
    return "limits" if check.startswith("limit-") else check


def _verdict(findings: list[Finding]) -> str:
    counts = _counts(findings)
    if counts["error"]:
        return f"broken: {counted(counts['error'], 'error')}, {_warnings(counts)}"
    return f"works, with {_warnings(counts)}" if counts["warning"] else "no errors or warnings"


def _warnings(counts: dict[str, int]) -> str:
    return counted(counts["warning"], "warning")


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


def _error(check: str, what: str, where: str, mend: str) -> Finding:
    return Finding(check=check, severity="error", what=what, where=where, mend=mend)


def _ok(check: str, what: str) -> Finding:
    return Finding(check=check, severity="ok", what=what)
