"""`make setup` on a small project of its own: a tiny backend, a tiny "Hermes", no network."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

SCRIPT = "tests/tools/setup_venv.py"

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "{version}"
dependencies = []
[tool.hatch]
"""

GROUPS = """\
[dependency-groups]
gateway = ["hermes-agent @ {hermes}"]
dev = []
"""

BACKEND = """\
import tomllib
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open("pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    info = f"small-{version}.dist-info"
    name = f"small-{version}-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        head = "Metadata-Version: 2.1\\nName: small"
        wheel.writestr(f"{info}/METADATA", f"{head}\\nVersion: {version}\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


class Tree:
    """A folder with the real set-up script and a project that needs nothing from a network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        (root / SCRIPT).parent.mkdir(parents=True)
        shutil.copy(ROOT / SCRIPT, root / SCRIPT)
        (root / "backend.py").write_text(BACKEND)
        self.hermes = root / "hermes_agent-1-py3-none-any.whl"
        with zipfile.ZipFile(self.hermes, "w") as wheel:
            info = "hermes_agent-1.dist-info"
            wheel.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: hermes-agent\nVersion: 1\n"
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        self.write_project("1")

    def write_project(self, version: str) -> None:
        (self.root / "pyproject.toml").write_text(PYPROJECT.format(version=version))
        groups = GROUPS.format(hermes=self.hermes.as_uri())
        (self.root / "tests/environments.toml").write_text(groups)

    def start(self, python: str | None = None) -> subprocess.Popen[str]:
        chosen = sys.executable if python is None else python
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "PIP_NO_INDEX": "1"}
        return subprocess.Popen(
            [sys.executable, str(self.root / SCRIPT)],
            env={**environment, **({"PYTHON": chosen} if chosen else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, python: str | None = None) -> tuple[int, str]:
        process = self.start(python)
        out, _ = process.communicate(timeout=200)
        return process.returncode, out

    def installed(self) -> set[str]:
        """Return what pip has recorded there; asking pip itself takes seconds."""
        [site] = self.venv.glob("lib/python3*/site-packages")
        found = importlib.metadata.distributions(path=[str(site)])
        return {f"{one.name}=={one.version}" for one in found}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def fake_python(tree: Tree, answer: str) -> str:
    """Make a program that answers the probe like some other Python."""
    path = tree.root / "other-python"
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return str(path)


def test_any_python_3_8_can_start_it() -> None:
    ast.parse((ROOT / SCRIPT).read_text(), feature_version=(3, 8))


def test_it_makes_the_environment_once_and_mends_only_what_changed(tree: Tree) -> None:
    status, out = tree.run()
    assert status == 0, out
    assert [line[7:12] for line in out.splitlines() if "/3]" in line] == ["[1/3]", "[2/3]", "[3/3]"]
    assert {"hermes-agent==1", "small==1"} <= tree.installed()

    assert tree.run() == (0, "")
    assert tree.run(python="") == (0, "")  # without $PYTHON: the one that it was made with

    tree.write_project("2")
    status, out = tree.run()
    assert status == 0, out
    assert [line[7:12] for line in out.splitlines() if "/3]" in line] == ["[3/3]"]
    assert "small==2" in tree.installed()


def test_a_set_up_that_was_killed_is_made_again_from_scratch(tree: Tree) -> None:
    process = tree.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "[2/3]" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    (tree.venv / "half").mkdir()

    status, out = tree.run()
    assert status == 0, out
    assert "(from scratch)" in out
    assert not (tree.venv / "half").exists()
    assert "small==1" in tree.installed()


def test_a_step_that_fails_says_what_to_do(tree: Tree) -> None:
    tree.hermes.write_bytes(b"cut")
    status, out = tree.run()
    assert status == 1
    assert "ERROR: pip install failed" in out
    assert "TIP: " in out
    assert '"ready"' not in (tree.venv / ".hermes-router-setup").read_text()


def test_an_environment_that_somebody_else_made_is_left_alone(tree: Tree) -> None:
    keep = tree.venv / "mine"
    keep.mkdir(parents=True)
    status, out = tree.run()
    assert status == 1
    assert "was not made by make setup" in out
    assert keep.is_dir()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"version": [3, 10, 4], "base": "x", "missing": []}', "is Python 3.10.4"),
        ('{"version": [3, 15, 0], "base": "x", "missing": []}', "is Python 3.15.0"),
        (
            '{"version": [3, 12, 1], "base": "x", "missing": ["ensurepip"]}',
            "is Python 3.12.1 without ensurepip",
        ),
        ("no such version is installed", "does not run"),
    ],
)
def test_a_python_that_does_not_fit_is_refused_with_the_reason(
    tree: Tree, answer: str, reason: str
) -> None:
    python = fake_python(tree, answer)
    status, out = tree.run(python)
    assert status == 1
    assert f"{python}: {reason}" in out
    assert "needs Python 3.11 to 3.14" in out
    assert not tree.venv.exists()
