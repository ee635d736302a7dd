"""The import rules of the project, as `make check` keeps them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools.imports import graph, hermes

ROOT = Path(__file__).resolve().parents[3]


def test_the_layers_hold_and_nothing_imports_in_a_circle() -> None:
    checker = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run(
        [checker, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_only_the_two_packages_for_hermes_import_it() -> None:
    assert hermes.outside(hermes.importers()) == set()


def test_an_import_outside_of_the_two_packages_is_an_error() -> None:
    files = {"hermes_router/turns/turn.py", "worker/hermes_router_worker/hermes/events.py"}
    assert hermes.outside(files) == {"hermes_router/turns/turn.py"}


def test_an_import_of_hermes_is_seen_however_it_is_written() -> None:
    text = (
        "import gateway.run\n"
        "def later():\n"
        "    from tools import approval\n"
        "    importlib.import_module('cron.jobs')\n"
        "    find_spec('hermes_cli')\n"
        "from . import agent\n"
        "import_module(name)\n"
    )
    found = list(hermes.imported_by(text))
    assert sorted(found) == ["cron", "gateway", "hermes_cli", "tools"]


def test_the_drawn_graph_is_that_of_the_code() -> None:
    assert graph.PAGE.read_text("utf-8") == graph.page(), "run make graph"


def test_an_arrow_that_follows_from_others_is_not_drawn() -> None:
    arrows = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert graph.reduced(arrows)["a"] == {"b"}
