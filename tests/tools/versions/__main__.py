"""`make versions`: run the contract tests and the core scenarios on each Hermes version.

Each version has an environment of its own, `.venvs/0.22`, which `make setup HERMES=0.22` makes.
Prints a table, and exits with 1 when a test failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.tools.versions import table
from tests.tools.versions.scenarios import CONTRACT, SCENARIOS, SMOKE
from tests.tools.versions.table import Outcome

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / "tests" / "environments.toml"

_SETUP_SECONDS = 1200.0
_CONTRACT_SECONDS = 900.0
_SCENARIO_SECONDS = 3600.0
_VERSION = "import hermes_cli; print(hermes_cli.__version__)"


def main() -> int:
    """Run what was asked for; return the exit status."""
    options = _options()
    outcomes = [_try_version(version, options) for version in options.only or versions()]
    print(table.markdown(outcomes) if options.markdown else table.plain(outcomes))
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.versions", description=__doc__)
    parser.add_argument("--only", action="append", choices=versions(), help="this version")
    parser.add_argument("--others", action="store_true", help="not the project's own version")
    parser.add_argument("--smoke", action="store_true", help="of the scenarios a smoke turn only")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    options = parser.parse_args()
    if options.others:
        options.only = [version for version in versions() if version != own_version()]
    return options


def versions() -> list[str]:
    """Return the versions that have an environment, oldest first."""
    groups = tomllib.loads(ENVIRONMENTS.read_text("utf-8"))["dependency-groups"]
    return sorted(name.removeprefix("gateway-") for name in groups if name.startswith("gateway-"))


def own_version() -> str:
    """Return the version that the project's own environment has."""
    groups = tomllib.loads(ENVIRONMENTS.read_text("utf-8"))["dependency-groups"]
    included: str = groups["gateway"][0]["include-group"]
    return included.removeprefix("gateway-")


def _try_version(version: str, options: argparse.Namespace) -> Outcome:
    outcome = Outcome(version)
    python = ROOT / ".venvs" / version / "bin" / "python"
    if version == own_version() and not python.exists():
        python = ROOT / ".venv" / "bin" / "python"
    trouble = _set_up(version) if python.parent.parent.parent.name == ".venvs" else ""
    if trouble:
        outcome.trouble = trouble
        return outcome
    outcome.hermes = _output([str(python), "-c", _VERSION])
    _say(f"{version}: Hermes {outcome.hermes}, contract tests")
    _run(outcome, python, [CONTRACT], _CONTRACT_SECONDS)
    wanted = {SMOKE: SCENARIOS[SMOKE]} if options.smoke else SCENARIOS
    tests = [test for listed in wanted.values() for test in listed]
    _say(f"{version}: {len(wanted)} scenarios, {len(tests)} tests")
    _run(outcome, python, tests, _SCENARIO_SECONDS)
    return outcome


def _set_up(version: str) -> str:
    """Make the version's environment; return what went wrong, if something did."""
    environment = {**os.environ, "HERMES": version}
    command = [sys.executable, str(ROOT / "tests" / "tools" / "setup_venv.py")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=sys.stderr, timeout=_SETUP_SECONDS, check=False
    )
    return f"make setup HERMES={version} failed" if done.returncode else ""


def _run(outcome: Outcome, python: Path, tests: Sequence[str], seconds: float) -> None:
    """Run some tests in a version's Python, and take in what came of them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2"]
        command += ["--dist", "loadfile", f"--junitxml={report}", *tests]
        try:
            subprocess.run(command, cwd=ROOT, stdout=sys.stderr, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            outcome.trouble = f"the tests did not end within {seconds:.0f} s"
        if report.exists():
            outcome.add(report.read_text("utf-8"))
        elif not outcome.trouble:
            outcome.trouble = "pytest could not run the tests; what it printed says why"


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or "unknown"


def _say(text: str) -> None:
    print(f"versions: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
