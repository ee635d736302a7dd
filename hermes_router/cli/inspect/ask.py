"""What the installed Hermes itself says: it is asked in a process of its own, not guessed about."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.cli.inspect import layouts, loading
from hermes_router.cli.inspect.findings import Finding, of_problem
from hermes_router.cli.inspect.homes import hermes_installed, wrong_interpreter
from hermes_router.cli.inspect.loading import Loaded

_PROBE_SECONDS = 120


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield what Hermes says about itself, the plugin, the files and the platforms."""
    if not hermes_installed():
        error = wrong_interpreter()
        yield _error("hermes", error.message, error.where, error.hint)
        return
    answer, trouble = probe(loaded)
    if answer is None:
        mend = f"{loaded.home.hermes('doctor')}: Hermes itself does not start"
        yield _error("hermes", f"Hermes could not be asked: {trouble}", sys.executable, mend)
        return
    yield Finding(
        check="hermes", severity="ok", what=f"Hermes {answer['hermes']} in {sys.executable}"
    )
    yield from _files(answer)
    yield from _plugin(loaded, answer)
    yield from _platforms(loaded, answer)


def _files(answer: dict[str, Any]) -> Iterator[Finding]:
    for file, why in answer["unreadable"].items():
        what = f"Hermes cannot read it and goes on without all of it: {why}"
        profile = Path(file).parent.name if Path(file).parent.parent.name == "profiles" else None
        yield _error("config-ignored", what, file, "mend the file", profile)


def _plugin(loaded: Loaded, answer: dict[str, Any]) -> Iterator[Finding]:
    """Say whether Hermes loads the plugin, and the plugin takes its place; if not, why."""
    if answer["missing"]:
        what = f"this Hermes ({answer['hermes']}) lacks {', '.join(answer['missing'])}; "
        mend = "install a Hermes that hermes-router supports, or a newer hermes-router"
        yield _error("seams", f"{what}routing is off", sys.executable, mend)
        return
    yield Finding(
        check="seams", severity="ok", what="this Hermes has every seam that the router needs"
    )
    if answer["isolation"] == "host":
        what = "plugins.isolation is host: plugins run in another process, where none can route"
        mend = f"{loaded.home.hermes('config set plugins.isolation off')}, and restart the gateway"
        yield _error("plugin-loads", what, str(loaded.home.config), mend)
    elif answer["swapped"]:
        what = "Hermes loads the plugin, and the plugin takes its place"
        yield Finding(check="plugin-loads", severity="ok", what=what)
    else:
        yield _not_loaded(loaded, answer["plugin"])


def _not_loaded(loaded: Loaded, plugin: dict[str, str] | None) -> Finding:
    if plugin is None:
        mend = f"install it again: {layouts.of_python(Path(sys.executable)).install}"
        return _error("plugin-loads", "Hermes does not find the plugin", sys.executable, mend)
    why = plugin["error"] or "it gives no reason"
    mend = f"{loaded.home.router('enable')}; else see {loaded.home.path / 'logs' / 'agent.log'}"
    where = str(loaded.home.config)
    return _error("plugin-loads", f"Hermes does not load the plugin: {why}", where, mend)


def _platforms(loaded: Loaded, answer: dict[str, Any]) -> Iterator[Finding]:
    """Report routes for platforms that this Hermes does not have, or whose library is missing."""
    known = frozenset(answer["platforms"])
    config, error = loading.read(loaded.file, loaded.home, known)
    problems = config.problems if config else error.problems if error else ()
    told = {(problem.path, problem.code, problem.severity) for problem in loaded.problems}
    yield from (of_problem(p) for p in problems if (p.path, p.code, p.severity) not in told)
    routed = {route.platform for route in config.table.routes} if config else set()
    for platform in sorted(routed & answer["libraries"].keys()):
        if not answer["libraries"][platform]:
            what = f"the library of the platform {platform} is missing: no message comes from there"
            mend = loaded.home.hermes("gateway setup")
            yield _error("platform-library", what, sys.executable, mend)


def probe(loaded: Loaded) -> tuple[dict[str, Any] | None, str]:
    """Ask Hermes in a process of its own; return its answer, or None and what happened."""
    environment = {**os.environ, "HERMES_HOME": str(loaded.home.path)}
    # The home has been chosen: the sticky profile must not choose again.
    environment["HERMES_S6_SUPERVISED_CHILD"] = "1"
    profiles = loaded.config.worker_profiles() if loaded.config else []
    homes = [loaded.home.path, *(loaded.home.root / "profiles" / name for name in profiles)]
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "hermes_router.hermes.compat.probe"),
                *(str(home / "config.yaml") for home in homes),
            ],
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


def _error(check: str, what: str, where: str, mend: str, profile: str | None = None) -> Finding:
    return Finding(
        check=check, severity="error", what=what, where=where, mend=mend, profile=profile
    )
