"""`make pins`: does installing the router beside Hermes move anything that Hermes chose?

Asks pip's resolver twice for each Hermes version, as for an empty environment: for Hermes alone,
and for Hermes with the router's wheel. Nothing is installed. A version passes when both resolve,
every exact pin of Hermes is met, and no package that Hermes brings got another version.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
SUPPORTED = SpecifierSet(">=0.19,<1")
_RESOLVE_TIMEOUT = 600.0


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What pip would install: version by canonical name, and Hermes's exact pins."""

    versions: dict[str, str]
    pins: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One row of the table. `moved` maps a package to its version without and with the router."""

    pins: int
    moved: Mapping[str, tuple[str, str | None]]
    unmet: Mapping[str, str | None]
    added: Mapping[str, str]

    @property
    def fine(self) -> bool:
        """Whether Hermes gets exactly what it gets alone."""
        return not self.moved and not self.unmet


class ResolveError(Exception):
    """pip found no solution; the text is pip's."""


def main(argv: list[str] | None = None) -> int:
    """Print the table. 0 when every version passes, 1 when one does not."""
    options = _options(argv)
    versions = options.versions or hermes_versions()
    extras = f"[{options.extras}]" if options.extras else ""
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"hermes-agent{extras} with and without hermes-router, Python {python}", flush=True)
    print(f"{'hermes':<8} {'pins':>4} {'moved':>5}  {'added by us':<34} {'s':>3}  verdict")
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        failures = [v for v in versions if not _row(v, f"hermes-agent{extras}=={v}", wheel)]
    print(f"{len(versions) - len(failures)} of {len(versions)} versions keep all that they pin")
    return 1 if failures else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="check_pins", description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", help="Hermes versions (default: all supported)")
    parser.add_argument("--extras", default="", help="of Hermes, such as all,messaging")
    return parser.parse_args(argv)


def _row(version: str, hermes: str, wheel: Path) -> bool:
    started = time.monotonic()
    try:
        unaccompanied = resolve(hermes)
    except ResolveError as error:
        print(
            f"{version:<8} NO SOLUTION for Hermes alone, so nothing to compare\n{error}", flush=True
        )
        return False
    try:
        verdict = compare(unaccompanied, resolve(hermes, str(wheel)))
    except ResolveError as error:
        print(f"{version:<8} NO SOLUTION with the router\n{error}", flush=True)
        return False
    added = " ".join(f"{name} {number}" for name, number in sorted(verdict.added.items()))
    seconds = time.monotonic() - started
    print(
        f"{version:<8} {verdict.pins:>4} {len(verdict.moved):>5}  {added:<34} {seconds:>3.0f}  "
        f"{'ok' if verdict.fine else 'MOVED'}",
        flush=True,
    )
    for name, (alone, beside) in sorted(verdict.moved.items()):
        print(f"         {name}: {alone} alone, {beside} with the router")
    for name, found in sorted(verdict.unmet.items()):
        print(f"         {name}: pinned by Hermes, resolved to {found}")
    return verdict.fine


def hermes_versions() -> list[str]:
    """List the supported releases on the package index, oldest first."""
    out = _pip("index", "versions", "hermes-agent")
    listed = re.search(r"Available versions: (.*)", out)
    if listed is None:
        raise SystemExit(f"ERROR: pip lists no versions of hermes-agent:\n{out}")
    supported = SUPPORTED.filter(listed.group(1).split(", "))
    return sorted(supported, key=Version)


def build_wheel(folder: Path) -> Path:
    """Build the router's wheel, with the build backend that `make setup` installed."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def resolve(*requirements: str) -> Resolution:
    """Ask pip what it would install into an empty environment. Raises ResolveError."""
    report = _pip(
        "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", *requirements
    )
    return read_report(json.loads(report))


def read_report(report: dict[str, list[dict[str, dict[str, object]]]]) -> Resolution:
    """Versions and Hermes's pins from pip's installation report."""
    versions: dict[str, str] = {}
    pins: dict[str, str] = {}
    for item in report["install"]:
        metadata = item["metadata"]
        name = canonicalize_name(str(metadata["name"]))
        versions[name] = str(metadata["version"])
        if name == "hermes-agent":
            requires = metadata["requires_dist"]
            assert isinstance(requires, list)
            pins = dict(exact_pins(requires))
    return Resolution(versions=versions, pins=pins)


def exact_pins(requires_dist: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`(name, version)` of the unconditional `==` requirements that apply to this platform."""
    for requirement in map(Requirement, requires_dist):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _exact(requirement.specifier)
        if version is not None:
            yield canonicalize_name(requirement.name), version


def _exact(specifiers: SpecifierSet) -> str | None:
    exact = [spec.version for spec in specifiers if spec.operator == "=="]
    return exact[0] if exact else None


def compare(alone: Resolution, beside: Resolution) -> Verdict:
    """Judge what the router changed in what Hermes gets alone."""
    moved = {
        name: (version, beside.versions.get(name))
        for name, version in alone.versions.items()
        if beside.versions.get(name) != version
    }
    unmet = {
        name: beside.versions.get(name)
        for name, version in alone.pins.items()
        if beside.versions.get(name) != version
    }
    added = {name: v for name, v in beside.versions.items() if name not in alone.versions}
    added.pop("hermes-profile-router", None)
    return Verdict(pins=len(alone.pins), moved=moved, unmet=unmet, added=added)


def _pip(*arguments: str) -> str:
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_RESOLVE_TIMEOUT
    )
    if done.returncode:
        errors = (line for line in done.stderr.splitlines() if not line.startswith("WARNING"))
        raise ResolveError(textwrap.indent("\n".join(errors), " " * 9))
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
