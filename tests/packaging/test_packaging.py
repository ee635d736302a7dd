"""What a user gets from pip: the wheel, the editable install, the ranges, and our own commands."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hermes_router.protocol.system.versions import HERMES_DISTRIBUTIONS
from tests.packaging.conftest import ROOT, Distributions
from tests.tools.check_pins import exact_pins

PACKAGES = {"hermes_router", "hermes_router_worker"}
DIST_INFO = "hermes_profile_router-0.1.0.dist-info"


@pytest.fixture(scope="session")
def metadata(distributions: Distributions) -> Message:
    with zipfile.ZipFile(distributions.wheel) as archive:
        return Parser().parsestr(archive.read(f"{DIST_INFO}/METADATA").decode())


def located(python: Path | str, *modules: str) -> dict[str, str | None]:
    """Where that Python, started elsewhere and without its cwd, would import each module from."""
    code = (
        "import importlib.util, json, sys; find = importlib.util.find_spec; "
        "print(json.dumps({m: getattr(find(m), 'origin', None) for m in sys.argv[1:]}))"
    )
    return dict(json.loads(run_elsewhere(python, "-P", "-c", code, *modules)))


def run_elsewhere(python: Path | str, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    argv = [str(python), *arguments]
    done = subprocess.run(
        argv, cwd=os.sep, env=environment, capture_output=True, text=True, check=True, timeout=200
    )
    return done.stdout


# The wheel


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel_names: list[str]) -> None:
    assert {name.split("/")[0] for name in wheel_names} == {*PACKAGES, DIST_INFO}


def test_the_wheel_holds_every_module_of_the_tree(wheel_names: list[str]) -> None:
    sources = {
        path.relative_to(folder).as_posix()
        for folder, package in ((ROOT, "hermes_router"), (ROOT / "worker", "hermes_router_worker"))
        for path in (folder / package).rglob("*.py")
    }
    assert sources
    assert {name for name in wheel_names if name.endswith(".py")} == sources


def test_the_wheel_holds_no_data(wheel_names: list[str]) -> None:
    ours = {name for name in wheel_names if not name.startswith(DIST_INFO)}
    data = {name for name in ours if not name.endswith(".py")}
    assert data == {f"{package}/py.typed" for package in PACKAGES}


def test_an_editable_install_needs_what_the_project_names(tmp_path: Path) -> None:
    """Hermes's package manager installs plugins so, from a lock of what the project names."""
    build = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    make = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(make, cwd=ROOT, check=True, capture_output=True, timeout=200)
    [wheel] = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        said = Parser().parsestr(archive.read(f"{DIST_INFO}/METADATA").decode())
    needed = {Requirement(text).name for text in said.get_all("Requires-Dist", [])}
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert needed == {Requirement(text).name for text in named}


def test_the_wheel_names_its_licence(wheel_names: list[str], metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert f"{DIST_INFO}/licenses/LICENSE" in wheel_names


def test_the_wheel_gives_hermes_a_plugin_module_and_users_a_command(
    distributions: Distributions,
) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        text = archive.read(f"{DIST_INFO}/entry_points.txt").decode()
    assert text.split() == [
        "[console_scripts]",
        *("hermes-router", "=", "hermes_router.cli:main"),
        "[hermes_agent.plugins]",
        *("hermes-router", "=", "hermes_router.plugin"),
    ]


def test_what_the_entry_points_name_is_there() -> None:
    (plugin,) = importlib.metadata.entry_points(group="hermes_agent.plugins", name="hermes-router")
    assert callable(plugin.load().register)
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="hermes-router")
    assert callable(command.load())


def test_a_new_environment_gets_two_import_packages_from_the_wheel(wheel_python: Path) -> None:
    (site,) = wheel_python.parent.parent.glob("lib/python*/site-packages")
    assert {entry.name for entry in site.iterdir()} - {"__pycache__"} == {*PACKAGES, DIST_INFO}
    found = located(wheel_python, "hermes_router", "hermes_router_worker", "worker", "tests")
    assert found == {
        "hermes_router": f"{site}/hermes_router/__init__.py",
        "hermes_router_worker": f"{site}/hermes_router_worker/__init__.py",
        "worker": None,
        "tests": None,
    }
    assert (wheel_python.parent / "hermes-router").is_file()


# The sdist and the editable install


def test_the_sdist_builds_the_same_wheel(distributions: Distributions) -> None:
    first, second = (
        {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
        for path in (distributions.wheel, distributions.wheel_of_sdist)
    )
    assert first == second


def test_the_sdist_holds_what_make_test_needs(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "Makefile", "LICENSE", "README.md", "CHANGELOG.md"}
    wanted |= {
        "tests/conftest.py",
        "tests/tools/setup_venv.py",
        "worker/hermes_router_worker/py.typed",
    }
    assert wanted <= names
    assert not [name for name in names if name.startswith((".venv", ".git/", "dist/"))]
    assert not [name for name in names if "__pycache__" in name]


def test_the_editable_install_gives_the_tree_and_hides_the_rest_of_it() -> None:
    found = located(
        sys.executable, "hermes_router", "hermes_router_worker", "worker", "configs", "docs"
    )
    assert found == {
        "hermes_router": str(ROOT / "hermes_router/__init__.py"),
        "hermes_router_worker": str(ROOT / "worker/hermes_router_worker/__init__.py"),
        "worker": None,
        "configs": None,
        "docs": None,
    }
    path = json.loads(
        run_elsewhere(sys.executable, "-P", "-c", "import json,sys;print(json.dumps(sys.path))")
    )
    assert str(ROOT) not in path
    assert str(ROOT / "worker") not in path


# The ranges


def installed_hermes() -> importlib.metadata.Distribution:
    names = {item.name for item in importlib.metadata.distributions()}
    (name,) = names & set(HERMES_DISTRIBUTIONS)
    return importlib.metadata.distribution(name)


def test_hermes_is_no_requirement_and_python_has_no_ceiling(metadata: Message) -> None:
    """Hermes's own package manager builds us beside Hermes, from all that the metadata name."""
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert [item for item in requirements if item.marker] == []
    assert {item.name for item in requirements} == {
        "anyio",
        "editables",
        "msgspec",
        "python-dotenv",
        "pyyaml",
    }
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") is None


def test_the_ranges_admit_what_the_installed_hermes_pins(metadata: Message) -> None:
    pins = dict(exact_pins(installed_hermes().requires or []))
    ours = {item.name: item for item in map(Requirement, metadata.get_all("Requires-Dist", []))}
    shared = pins.keys() & ours.keys()
    assert "python-dotenv" in shared
    for name in shared:
        assert pins[name] in ours[name].specifier


@pytest.mark.parametrize(
    "pinned", [{"python-dotenv": "1.2.1", "pyyaml": "6.0.3"}, {"python-dotenv": "1.2.2"}]
)
def test_the_ranges_admit_every_pin_that_hermes_had_since_0_13(
    metadata: Message, pinned: dict[str, str]
) -> None:
    ours = {item.name: item for item in map(Requirement, metadata.get_all("Requires-Dist", []))}
    for name, version in pinned.items():
        assert version in ours[name].specifier


def test_a_newer_hermes_keeps_its_own_pins(metadata: Message) -> None:
    for item in map(Requirement, metadata.get_all("Requires-Dist", [])):
        if item.name in {"python-dotenv", "pyyaml"}:
            assert not [spec for spec in item.specifier if spec.operator in {"<", "<=", "==", "~="}]


def test_anyio_is_one_whose_processes_can_be_relied_on(metadata: Message) -> None:
    ours = {item.name: item for item in map(Requirement, metadata.get_all("Requires-Dist", []))}
    assert SpecifierSet(">=4.14.2,<5") == ours["anyio"].specifier
    assert importlib.metadata.version("anyio") in ours["anyio"].specifier


def test_no_page_or_message_sends_people_to_the_strangers_project() -> None:
    """Nobody is told to install `hermes-router` from an index; the name alone says another."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("configs/*")]
    pages += [*ROOT.glob("hermes_router/**/*.py"), *ROOT.glob("worker/**/*.py")]
    wrong = [str(page) for page in pages if "install hermes-router" in page.read_text()]
    assert wrong == []


# Our own commands


def test_the_project_is_gated_by_checks_pages_and_tests_alone() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and line[0] != "#"]
    begin = ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
    assert lines[:-1] == [*begin, "make check", "make docs"]
    # no choice among the tests: only what is printed of failures, and when to give up
    assert lines[-1].endswith(' make test ARGS="--instafail --maxfail=12"')


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "format", "pins"])
def test_every_target_sets_itself_up(target: str) -> None:
    out = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=200,
    ).stdout  # fmt: skip
    setup, run = out.find("setup_venv.py"), out.find(".venv/bin/python -m")
    assert 0 <= setup < run


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    out = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=200
    ).stdout
    assert re.findall(r"^  make ([\w-]+) ", out, re.MULTILINE) == phony.split()
