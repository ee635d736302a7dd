"""A folder of Hermes's plugins and a Python package: whose code answers, and what `doctor` says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hermes_router
from hermes_router.cli.inspect.checks import plugin_folder
from hermes_router.cli.inspect.homes import GatewayHome
from tests.cli.conftest import Installation
from tests.kit.roots.clone import copy_tree

FIND = """\
import json, sys
sys.argv = ["hermes", "gateway", "status"]
import hermes_cli.main
from hermes_cli.plugins import discover_plugins, get_plugin_manager
discover_plugins()
[found] = [p for p in get_plugin_manager()._plugins.values() if p.manifest.name == "hermes-router"]
print()
print(json.dumps([found.module.__name__, found.module.register.__code__.co_filename]))
"""


@pytest.fixture
def folder(installation: Installation) -> Path:
    """The folder that `hermes plugins install` makes, beside a router that pip installed."""
    folder = installation.home / "plugins" / "hermes-router"
    copy_tree(folder)
    return folder


def warnings(installation: Installation) -> list[str]:
    home = GatewayHome(path=installation.home, chosen_by="--home")
    return [f"{found.where}: {found.what}; {found.mend}" for found in plugin_folder.look(home)]


@pytest.mark.skipif(
    importlib.util.find_spec("hermes_cli.plugins_discovery") is None,
    reason="an older Hermes loads the plugin that pip installed",
)
def test_hermes_loads_the_folder_and_imports_the_package(
    installation: Installation, folder: Path
) -> None:
    with (folder / "hermes_router" / "plugin.py").open("a") as file:
        file.write("raise ImportError('this file is not imported')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", FIND],
        env=installation.environ(PATH=os.environ["PATH"]), cwd=installation.base,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    module, code = json.loads(done.stdout.splitlines()[-1])
    assert module == "hermes_plugins.hermes_router"
    assert Path(code) == Path(hermes_router.__file__).with_name("plugin.py")


def test_a_folder_with_the_same_router_is_no_warning(
    installation: Installation, folder: Path
) -> None:
    assert folder.is_dir()
    assert warnings(installation) == []


@pytest.mark.parametrize(
    "file", ["hermes_router/base/errors.py", "worker/hermes_router_worker/new.py"]
)
def test_a_folder_with_another_router_is_told(
    installation: Installation, folder: Path, file: str
) -> None:
    with (folder / file).open("a") as changed:
        changed.write("# the next release\n")
    [told] = warnings(installation)
    assert told.startswith(f"{folder}: ")
    assert str(Path(hermes_router.__file__).parent) in told
    assert f"pip install {folder}" in told
    assert f"HERMES_HOME={installation.home} hermes plugins remove hermes-router" in told


def test_a_copy_in_a_profiles_home_is_told(installation: Installation) -> None:
    copy = installation.home / "profiles" / "kid" / "plugins" / "hermes-router"
    copy.mkdir(parents=True)
    [told] = warnings(installation)
    assert told.startswith(f"{copy}: ")
    assert told.endswith("hermes -p kid plugins remove hermes-router")


def test_doctor_tells_it(installation: Installation, folder: Path) -> None:
    (folder / "hermes_router" / "base" / "errors.py").unlink()
    found = installation.run("doctor", "--json").json["findings"]
    assert [one["where"] for one in found if one["check"] == "plugin-folder"] == [str(folder)]
