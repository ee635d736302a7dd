"""The repository as a folder of Hermes's plugins, looked at by Hermes itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hermes_router import __version__
from tests.kit.roots.clone import copy_tree

#: What the scan takes for a grave finding, and why it is there.
#: What the entry point of a pip installation names.
POINTS_TO = "hermes_router.plugin"

FIND = """\
import json, sys
sys.argv = ["hermes", "gateway", "status"]
import hermes_cli.main
from hermes_cli.plugins import discover_plugins, get_plugin_manager
discover_plugins()
loaded = get_plugin_manager()._plugins
print()
print(json.dumps([
    [
        key, plugin.manifest.source, bool(plugin.enabled), getattr(plugin.module, "__name__", None),
        plugin.error,
    ]
    for key, plugin in loaded.items() if plugin.manifest.name == "hermes-router"
]))
"""

#: Has a Python import nothing of the router's, as where Hermes has brought only the folder.
NOT_INSTALLED = """\
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("hermes_router", "hermes_router_worker"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
"""

#: Loads a folder as Hermes does, and prints why that fails.
LOAD = """\
import importlib.util, sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + sys.argv[2:]
spec = importlib.util.spec_from_file_location("hermes_plugins.hermes_router", sys.argv[1])
try:
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
except ImportError as error:
    print(error)
"""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` gives."""
    folder = tmp_path_factory.mktemp("plugins") / "hermes-router"
    copy_tree(folder)
    return folder


def test_the_manifest_is_true(tree: Path) -> None:
    manifest = yaml.safe_load((tree / "plugin.yaml").read_text())
    assert manifest["name"] == "hermes-router"
    assert manifest["version"] == __version__
    assert manifest["capabilities"] == []


@pytest.mark.skipif(
    importlib.util.find_spec("tools.plugin_guard") is None,
    reason="before 0.20 Hermes does not scan",
)
def test_the_scan_before_an_installation_lets_us_in(tree: Path) -> None:
    """At most it asks the person."""
    from tools.plugin_guard import scan_plugin, should_allow_plugin_install

    found = scan_plugin(tree, source="file:///clone")
    critical = [(f.file, f.line) for f in found.findings if f.severity == "critical"]
    assert critical == []
    allowed, _ = should_allow_plugin_install(found)
    assert allowed is not False


@pytest.mark.skipif(
    importlib.util.find_spec("hermes_cli.plugins_discovery") is None,
    reason="Hermes 0.20 scans by coarser rules",
)
def test_the_scan_asks_nothing(tree: Path) -> None:
    """An update can then be installed by `hermes plugins update`, which cannot ask."""
    from tools.plugin_guard import (
        MAX_PLUGIN_FILE_COUNT,
        scan_plugin,
        should_allow_plugin_install,
    )

    scan = scan_plugin(tree, source="file:///clone")
    found = scan.findings
    assert [(f.pattern_id, f.file, f.line) for f in found if f.severity == "high"] == []
    assert should_allow_plugin_install(scan)[0] is True
    page = (tree / "docs" / "install.md").read_text()
    assert [f.pattern_id for f in found if f.category == "structural"] == ["too_many_files"]
    assert f"more than {MAX_PLUGIN_FILE_COUNT} files" in page


def test_of_folder_and_entry_point_hermes_loads_one(tree: Path, tmp_path: Path) -> None:
    """Both are there: a pip installation, and the folder that `hermes plugins install` makes."""
    home = tmp_path / "home"
    (home / "plugins").mkdir(parents=True)
    (home / "config.yaml").write_text("plugins: {enabled: [hermes-router]}\n")
    without = found_plugins(home)
    (home / "plugins" / "hermes-router").symlink_to(tree)
    beside = found_plugins(home)
    assert [(source, enabled) for _, source, enabled, *_ in without] == [("entrypoint", True)]
    newer = importlib.util.find_spec("hermes_cli.plugins_discovery") is not None
    folder, entry_point = ("user", "hermes_plugins.hermes_router"), ("entrypoint", POINTS_TO)
    wins = folder if newer else entry_point
    assert [(source, module) for _, source, _, module, _ in beside] == [wins]
    assert beside[0][2] is True


@pytest.mark.skipif(
    importlib.util.find_spec("hermes_cli.plugins_discovery") is None,
    reason="an older Hermes loads the plugin that pip installed",
)
def test_a_folder_without_its_code_says_what_to_run(tree: Path, tmp_path: Path) -> None:
    """What a Hermes before 0.22 leaves behind: it installs no plugin's own code."""
    home, patch = tmp_path / "home", tmp_path / "patch"
    (home / "plugins").mkdir(parents=True)
    (home / "config.yaml").write_text("plugins: {enabled: [hermes-router]}\n")
    (home / "plugins" / "hermes-router").symlink_to(tree)
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(NOT_INSTALLED)
    [(_, source, enabled, _, error)] = found_plugins(home, PYTHONPATH=str(patch))
    assert (source, enabled) == ("user", False)
    assert error.startswith("hermes-router routes nothing, because its code is not installed")
    folder = home / "plugins" / "hermes-router"
    install = f"run: {sys.executable} -m pip install {folder} && hermes gateway restart"
    assert error.endswith(install)


@pytest.mark.parametrize(
    ("beside", "install"),
    [([], "uv pip install --python {python} {folder}"), (["pm"], "hermes pm install")],
)
def test_without_pip_it_names_what_installs_there(
    tree: Path, tmp_path: Path, beside: list[str], install: str
) -> None:
    """A Python that uv made, and the one of Hermes's own package manager."""
    for name in beside:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    python = Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [python, "-I", "-c", LOAD, tree / "__init__.py", tmp_path],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    wanted = install.format(python=python, folder=tree)
    assert f"; run: {wanted} && hermes gateway restart" in done.stdout


def test_what_hermes_shows_after_an_installation_names_the_next_commands(tree: Path) -> None:
    shown = (tree / "after-install.md").read_text()
    page = (tree / "docs" / "install.md").read_text()
    for command in ("hermes router init", "hermes gateway restart"):
        assert command in shown
        assert command in page
    assert "pip install ~/.hermes/plugins/hermes-router" in shown


def found_plugins(home: Path, **environ: str) -> list[tuple[str, str, bool, str, str]]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", FIND],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HERMES_HOME": str(home), **environ},
        cwd=home, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [tuple(item) for item in json.loads(done.stdout.splitlines()[-1])]
