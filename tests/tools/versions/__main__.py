"""`make versions`: run the contract tests and the core scenarios on each Hermes version.

Each version has an environment of its own, `.venvs/0.22`, which `make setup HERMES=0.22` makes.
Prints a table, and exits with 1 when a test failed. With ``--write`` the README tells of it too;
what a run left out, by ``--only`` or ``--part``, stays there as it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.tools.versions import results, table
from tests.tools.versions.environments import ROOT, own_version, versions
from tests.tools.versions.scenarios import CONTRACT, REQUIRED, SCENARIOS, SMOKE
from tests.tools.versions.table import Outcome

_FEW = 5
_WHOLE_RUN = {0, 1}
"""Exit statuses of a pytest that came to its end: all passed, or some failed."""
_SETUP_SECONDS = 1200.0
_CONTRACT_SECONDS = 1800.0
_SCENARIO_SECONDS = 3600.0
_VERSIONS = "import platform, hermes_cli; print(hermes_cli.__version__, platform.python_version())"


def main() -> int:
    """Run what was asked for; return the exit status."""
    options = _options()
    outcomes = []
    for version in options.only or versions():
        outcomes.append(_try_version(version, options))
        if options.write and not outcomes[-1].trouble:
            results.write(outcomes[-1:], part=bool(options.part))
    summaries = [outcome.summary() for outcome in outcomes]
    print(table.markdown(summaries) if options.markdown else table.plain(outcomes))
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.versions", description=__doc__)
    parser.add_argument("--only", action="append", choices=versions(), help="this version")
    parser.add_argument("--others", action="store_true", help="not the project's own version")
    parser.add_argument("--smoke", action="store_true", help="what is required, and a smoke turn")
    parser.add_argument("--part", action="append", help="'contract', or a word of a scenario")
    parser.add_argument("--jobs", default="2", help="how many processes run tests, 2 by default")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    parser.add_argument("--write", action="store_true", help="write the README's table anew")
    options = parser.parse_args()
    if options.write and options.smoke:
        parser.error("--smoke leaves tests out that the README's table counts")
    if options.others:
        options.only = [version for version in versions() if version != own_version()]
    return options


def _try_version(version: str, options: argparse.Namespace) -> Outcome:
    outcome = Outcome(version)
    python = ROOT / ".venvs" / version / "bin" / "python"
    if version == own_version() and not python.exists():
        python = ROOT / ".venv" / "bin" / "python"
    trouble = _set_up(version) if python.parent.parent.parent.name == ".venvs" else ""
    if trouble:
        outcome.trouble = trouble
        return outcome
    outcome.hermes, _, found = _output([str(python), "-c", _VERSIONS]).partition(" ")
    outcome.python = ".".join(found.split(".")[:2])
    _say(f"{version}: Hermes {outcome.hermes}, Python {found}")
    for tests, seconds in _wanted(options):
        _say(f"{version}: {', '.join(tests) if len(tests) < _FEW else f'{len(tests)} tests'}")
        _run(outcome, [str(python), "-m", "pytest", "-n", options.jobs], tests, seconds)
    return outcome


def _wanted(options: argparse.Namespace) -> Iterator[tuple[list[str], float]]:
    """Yield the tests that were asked for and their time: without a gateway, then with one."""
    parts, smoke = options.part or [], options.smoke
    if "contract" in parts or not parts:
        yield [*REQUIRED] if smoke else [CONTRACT], _CONTRACT_SECONDS
    wanted = [SMOKE] if smoke else [title for title in SCENARIOS if _asked_for(title, parts)]
    if tests := [test for title in wanted for test in SCENARIOS[title]]:
        yield tests, _SCENARIO_SECONDS


def _asked_for(title: str, parts: Sequence[str]) -> bool:
    return not parts or any(part in title for part in parts)


def _set_up(version: str) -> str:
    """Make the version's environment; return what went wrong, if something did."""
    environment = {**os.environ, "HERMES": version}
    command = [sys.executable, str(ROOT / "tests" / "tools" / "setup_venv.py")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=sys.stderr, timeout=_SETUP_SECONDS, check=False
    )
    return f"make setup HERMES={version} failed" if done.returncode else ""


def _run(outcome: Outcome, pytest: list[str], tests: Sequence[str], seconds: float) -> None:
    """Run some tests in a version's Python, and take in what came of them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [*pytest, "-q", "-p", "no:cacheprovider", "--dist", "loadfile"]
        command += [f"--junitxml={report}", *tests]
        try:
            done = subprocess.run(
                command, cwd=ROOT, stdout=sys.stderr, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            outcome.trouble = f"the tests did not end within {seconds:.0f} s"
        else:
            if done.returncode not in _WHOLE_RUN:
                outcome.trouble = f"pytest ended with status {done.returncode} before its end"
        if report.exists():
            outcome.add(report.read_text("utf-8"))


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or "unknown"


def _say(text: str) -> None:
    print(f"versions: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
