"""Ask the installed Hermes about itself: one process for each side of the router."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.errors import ConfigError
from hermes_router.cli.inspect import layouts, loading
from hermes_router.cli.inspect.checks import replaced
from hermes_router.cli.inspect.findings import Finding, of_problem
from hermes_router.cli.inspect.homes import hermes_installed, wrong_interpreter
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.config.yaml import load
from hermes_router.hermes.compat.launching import find_launcher
from hermes_router.protocol.replacements import Replacement
from hermes_router.protocol.system.start import installed
from hermes_router.protocol.system.versions import NEWEST_TESTED, untested

_PROBE_SECONDS = 120
#: Characters of Hermes's own words about a file.
_LONGEST_REASON = 160
_NOT_LOADED = "Hermes does not load the plugin: "
#: How Hermes begins the reason if the configuration does not enable a plugin.
_SWITCHED_OFF = ("not enabled in config", "disabled via config")
_RUN = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
_GATEWAY, _WORKER = "hermes_router.hermes.compat.probe", "hermes_router_worker.hermes.probe"


class Answer(msgspec.Struct, frozen=True):
    """The answer of a process that imported Hermes: ``said`` are the fields of its JSON.

    ``replaced`` are the functions of Hermes that the gateway, or a worker, replaces. Both are empty
    if the process gave no answer; ``trouble`` says why.
    """

    said: dict[str, Any] = {}
    replaced: list[Replacement] = []
    trouble: str = ""


def look(loaded: Loaded, answers: Mapping[str, Answer]) -> Iterator[Finding]:
    """Yield findings about the installed Hermes, the plugin, and what the router needs of Hermes.

    ``answers`` is the result of :func:`probe`.
    """
    if not answers and would_wait(loaded.home.config):
        return  # the file is an error of its own, and no command of Hermes ends before it is gone
    if not answers:
        error = wrong_interpreter()
        yield _error("hermes", error.message, error.where, error.hint)
        return
    answer, trouble = answers["gateway"].said, answers["gateway"].trouble
    if trouble:
        mend = f"{loaded.home.hermes('doctor')}: Hermes itself does not start"
        yield _error("hermes", f"Hermes could not be checked: {trouble}", sys.executable, mend)
        return
    yield Finding(
        check="hermes", severity="ok", what=f"Hermes {answer['hermes']} in {sys.executable}"
    )
    workers = list(_workers(answers["worker"]))
    if not any(finding.severity == "error" for finding in workers):
        yield from _untested(answer)
    yield from _files(answer)
    yield from _newer_homes(answer)
    yield from _plugin(loaded, answer)
    yield from replaced.look("seams", "a gateway", _optional(answers["gateway"]))
    yield from workers
    yield from _platforms(loaded, answer)


def _untested(answer: dict[str, Any]) -> Iterator[Finding]:
    """Report a Hermes version on which none of our tests ran, although it has all that we need."""
    if untested(answer["hermes"]) and not answer["missing"]:
        what = (
            f"Hermes {answer['hermes']} is newer than any that this hermes-router was tested on "
            f"(the newest is {NEWEST_TESTED}); it has all that the router needs"
        )
        mend = "if a routed conversation behaves unexpectedly, look for a newer hermes-router"
        yield _warning("hermes-untested", what, sys.executable, mend)


def _optional(answer: Answer) -> list[Replacement]:
    """Return what is not required: of the others :func:`_plugin` tells all at once."""
    return [one for one in answer.replaced if not one.required]


def _workers(answer: Answer) -> Iterator[Finding]:
    """Say whether this Hermes has what a worker replaces."""
    if answer.trouble:
        what = f"the functions of Hermes that a worker needs could not be checked: {answer.trouble}"
        mend = "run the command again; if that does not help, install the router again"
        yield _error("worker-seams", what, sys.executable, mend)
        return
    lacking = list(replaced.look("worker-seams", "a worker", answer.replaced))
    what = "this Hermes has every function that a worker replaces"
    yield from lacking or [Finding(check="worker-seams", severity="ok", what=what)]


def _newer_homes(answer: dict[str, Any]) -> Iterator[Finding]:
    for file, found in answer["newer"].items():
        what = f"a newer Hermes than the installed {answer['hermes']} wrote this home: {found}"
        mend = "install that Hermes again: an older one may lose what the newer one keeps"
        yield _warning("home-newer", what, str(Path(file).parent), mend, _profile_of(file))


def _files(answer: dict[str, Any]) -> Iterator[Finding]:
    """Report each file that only Hermes cannot read; of another, its own finding says more."""
    for file, why in answer["unreadable"].items():
        if _is_refused_here(Path(file)):
            continue
        words = textwrap.shorten(why, _LONGEST_REASON, placeholder=" …")
        what = f"Hermes cannot read it and ignores all of it: {words}"
        yield _error("config-ignored", what, file, "correct the file", _profile_of(file))


def _is_refused_here(file: Path) -> bool:
    try:
        load(file)
    except ConfigError:
        return True
    except OSError:
        return False
    return False


def _profile_of(file: str) -> str | None:
    """Return the profile that a configuration file belongs to; None for the gateway's own."""
    home = Path(file).parent
    return home.name if home.parent.name == "profiles" else None


def _plugin(loaded: Loaded, answer: dict[str, Any]) -> Iterator[Finding]:
    """Report whether Hermes loads the plugin and the plugin installs the swap; if not, why."""
    if answer["missing"]:
        what = f"this Hermes ({answer['hermes']}) lacks {', '.join(answer['missing'])}; "
        yield _error("seams", f"{what}routing is off", sys.executable, replaced.MEND)
        return
    yield Finding(
        check="seams",
        severity="ok",
        what="this Hermes has every integration point that the router needs",
    )
    if answer["isolation"] == "host":
        what = (
            "plugins.isolation is host: plugins run in another process, in which the router "
            "cannot route messages"
        )
        mend = f"{loaded.home.hermes('config set plugins.isolation off')}, and restart the gateway"
        yield _error("plugin-loads", what, str(loaded.home.config), mend)
    elif answer["swapped"]:
        what = "Hermes loads the plugin, and the plugin takes over its message handler"
        yield Finding(check="plugin-loads", severity="ok", what=what)
    else:
        yield _not_loaded(loaded, answer["plugin"])


def says_only_switched_off(finding: Finding) -> bool:
    """Return True if a finding says only that the configuration does not enable the plugin.

    ``doctor`` then leaves it out, because another check says so with the command that mends it.
    """
    reason = finding.what.removeprefix(_NOT_LOADED)
    return finding.check == "plugin-loads" and reason.startswith(_SWITCHED_OFF)


def _not_loaded(loaded: Loaded, plugin: dict[str, str] | None) -> Finding:
    if plugin is None:
        mend = f"install it again: {layouts.here().install}"
        return _error("plugin-loads", "Hermes does not find the plugin", sys.executable, mend)
    why = plugin["error"] or "Hermes gives no reason"
    mend = f"{loaded.home.router('enable')}; else see {loaded.home.path / 'logs' / 'agent.log'}"
    where = str(loaded.home.config)
    return _error("plugin-loads", f"{_NOT_LOADED}{why}", where, mend)


def _platforms(loaded: Loaded, answer: dict[str, Any]) -> Iterator[Finding]:
    """Report routes for platforms that this Hermes lacks, or whose library is missing."""
    known = frozenset(answer["platforms"])
    config, error = loading.read(loaded.file, loaded.home, known)
    problems = config.problems if config else error.problems if error else ()
    told = {(problem.path, problem.code, problem.severity) for problem in loaded.problems}
    yield from (of_problem(p) for p in problems if (p.path, p.code, p.severity) not in told)
    routed = {route.platform for route in config.table.routes} if config else set()
    for platform in sorted(routed & answer["libraries"].keys()):
        if not answer["libraries"][platform]:
            what = (
                f"the library of the platform {platform} is missing: no message can arrive from it"
            )
            mend = loaded.home.hermes("gateway setup")
            yield _error("platform-library", what, sys.executable, mend)


def probe(loaded: Loaded) -> dict[str, Answer]:
    """Ask the installed Hermes what a gateway and what a worker find in it; this takes seconds.

    The answers are under ``gateway`` and ``worker``. The result is empty without Hermes, and where
    Hermes would wait for ever: see :func:`would_wait`.
    """
    if not hermes_installed() or would_wait(loaded.home.config):
        return {}
    environment = {**os.environ, "HERMES_HOME": str(loaded.home.path)}
    # The home is already chosen: Hermes must not apply the active profile to it again.
    environment["HERMES_S6_SUPERVISED_CHILD"] = "1"
    profiles = loaded.config.worker_profiles() if loaded.config else []
    homes = [loaded.home.path, *(loaded.home.root / "profiles" / name for name in profiles)]
    files = [home / "config.yaml" for home in homes]
    known = [str(file) for file in files if not would_wait(file)]
    with ThreadPoolExecutor(1) as beside:
        worker = beside.submit(_ask, environment, _WORKER)
        gateway = _ask(environment, _GATEWAY, *known)
        return {"gateway": gateway, "worker": worker.result()}


def would_wait(file: Path) -> bool:
    """Return True if Hermes would wait for ever when it reads a file, because it is a FIFO."""
    try:
        return file.is_fifo()
    except OSError:  # this user may not look
        return False


def _command(module: str) -> list[str]:
    """Return the command that runs a module of ours beside Hermes.

    Where Hermes's own package manager keeps the dependencies, only a process that Hermes's launcher
    starts finds them and us.
    """
    launcher = find_launcher(_RUN)
    return installed(module) if launcher is None else [*launcher.command, module]


def _ask(environment: Mapping[str, str], module: str, *arguments: str) -> Answer:
    """Have a module look at Hermes in a process of its own; return its answer."""
    try:
        done = subprocess.run(
            [*_command(module), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        lines = done.stdout.splitlines()
        said = msgspec.json.decode(lines[-1] if lines else b"", type=dict[str, Any])
        return Answer(said, msgspec.convert(said.get("replaced"), list[Replacement]))
    except subprocess.TimeoutExpired:
        return Answer(trouble=f"no answer within {_PROBE_SECONDS} s")
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return Answer(
            trouble=words[-1] if words else f"the check ended with status {done.returncode}"
        )
    except OSError as error:
        return Answer(trouble=f"no process could be started: {error}")


def _warning(check: str, what: str, where: str, mend: str, profile: str | None = None) -> Finding:
    return Finding(
        check=check, severity="warning", what=what, where=where, mend=mend, profile=profile
    )


def _error(check: str, what: str, where: str, mend: str, profile: str | None = None) -> Finding:
    return Finding(
        check=check, severity="error", what=what, where=where, mend=mend, profile=profile
    )
