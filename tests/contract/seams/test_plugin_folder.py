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
ASKED_ABOUT = {
    # limits are kept, and what is left behind is found, by what Linux says about processes
    ("proc_access", "hermes_router/protocol/system/proc.py"),
}

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
    [key, plugin.manifest.source, bool(plugin.enabled), getattr(plugin.module, "__name__", None)]
    for key, plugin in loaded.items() if plugin.manifest.name == "hermes-router"
]))
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
def test_the_scan_asks_about_as_few_lines_as_can_be(tree: Path) -> None:
    """The documentation says which."""
    from tools.plugin_guard import scan_plugin

    found = scan_plugin(tree, source="file:///clone").findings
    assert {(f.pattern_id, f.file) for f in found if f.severity == "high"} == ASKED_ABOUT
    page = (tree / "docs" / "install.md").read_text()
    assert all(file in page for _, file in ASKED_ABOUT)


def test_of_folder_and_entry_point_hermes_loads_one(tree: Path, tmp_path: Path) -> None:
    """Both are there: a pip installation, and the folder that `hermes plugins install` makes."""
    home = tmp_path / "home"
    (home / "plugins").mkdir(parents=True)
    (home / "config.yaml").write_text("plugins: {enabled: [hermes-router]}\n")
    without = found_plugins(home)
    (home / "plugins" / "hermes-router").symlink_to(tree)
    beside = found_plugins(home)
    assert [(source, enabled) for _, source, enabled, _ in without] == [("entrypoint", True)]
    newer = importlib.util.find_spec("hermes_cli.plugins_discovery") is not None
    folder, entry_point = ("user", "hermes_plugins.hermes_router"), ("entrypoint", POINTS_TO)
    wins = folder if newer else entry_point
    assert [(source, module) for _, source, _, module in beside] == [wins]
    assert beside[0][2] is True


def found_plugins(home: Path) -> list[tuple[str, str, bool, str]]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", FIND],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HERMES_HOME": str(home)},
        cwd=home, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [tuple(item) for item in json.loads(done.stdout.splitlines()[-1])]
