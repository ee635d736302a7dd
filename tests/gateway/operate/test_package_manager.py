"""Hermes's own package manager at work: it installs Hermes and the router, and updates Hermes.

All commands are the real ones, from the archive of a Python to `hermes update`; what they download
comes from this machine, see `tests/kit/roots/built.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hermes_router.profiles.commands import RESTART
from tests.gateway.conftest import BOXED, CAREER, SYSTEMS, add_boxed, build_stage, start_cold
from tests.gateway.operate.test_managed import Managed, held_turn
from tests.kit import FakeModel, FakeTelegram, Gateway
from tests.kit.outside.package_index import PackageIndex
from tests.kit.roots.built import BRANCH, BuiltInstall
from tests.kit.roots.clone import RouterClone

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="this Hermes has no package manager"
    ),
    pytest.mark.skipif(
        not hasattr(tarfile, "data_filter"),
        reason="Hermes's package manager wants a Python of 3.11.4 or newer to unpack its archives",
    ),
]


class Built(Managed):
    """A stage whose installation and generations the package manager has built."""

    install: BuiltInstall

    def succeeds(self, *arguments: str) -> str:
        """Run a command of `hermes`, which must succeed; return what it prints."""
        done = self.outside(str(self.install.launcher), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Built]:
    """One installation without a router; the tests are its story, in their order."""
    built = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage = Built(telegram, model, built.root)
    start_cold(add_boxed(stage), "career", "boxed")
    stage.root.configure({"plugins": {"enabled": []}})
    stage.root.extra_environ["PATH"] = os.defpath
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        stage.install = BuiltInstall(stage.root.path, index, stage.root.gateway_environ())
        stage.gateway = Gateway(stage.root)
        stage.gateway.command = [str(stage.install.launcher), "gateway", "run"]
        try:
            stage.install.build()
            yield stage
        finally:
            stage.gateway.stop()
            stage.install.remove()


def holds(pid: int, generation: Path) -> bool:
    """Say whether a process itself has a lease of a generation, which lasts as long as it does."""
    opened = (Path(file.path) for file in psutil.Process(pid).open_files())
    return any(path.parent == generation / ".leases" for path in opened)


def test_what_it_installs_serves(stage: Built) -> None:
    """The launcher, the Python and the generation are those that the package manager made."""
    without = stage.install.generation()
    clone = RouterClone(stage.root.base / "clone")
    clone.commit("0.1.7")
    stage.succeeds("plugins", "install", clone.url, "--enable", "--yes-deps")
    generation = stage.install.generation()
    assert generation != without
    assert "✓" in stage.succeeds("pm", "doctor")
    stage.gateway.start()
    stage.gateway.wait_prepared(120)
    for topic, profile in ((CAREER, "career"), (SYSTEMS, "systems")):
        assert stage.answers(f"hello {profile}", topic) == f"{profile}-key"
    assert (stage.start_of("career"), stage.start_of("systems")) == ("cold", "prepared")
    assert "status 0" in stage.run("hermes send 'said in a sandbox'; echo status $?", BOXED)
    said = json.loads(stage.succeeds("router", "status", "--json"))
    assert said["versions"]["router"] == "0.1.7"
    assert stage.install.leased(generation)
    assert not stage.install.leased(without)


def test_an_update_of_hermes_under_a_running_gateway(stage: Built, tmp_path: Path) -> None:
    """The turn goes on, the next are told what helps, and after a restart there is the router."""
    before = stage.install.generation()
    stage.install.release("9.0")
    with held_turn(stage, tmp_path):
        assert holds(stage.worker_in_turn("systems"), before)
        stage.succeeds("update", "--branch", BRANCH, "--yes", "--no-gateway-restart")
        after = stage.install.generation()
        assert after != before
        stage.install.collect()
        assert set(before.parent.iterdir()) == {before, after}, "a generation that nobody uses went"
        for topic in (CAREER, BOXED):
            told = stage.ask("hello", topic).text
            assert RESTART in told
            assert "again" not in told
    assert "Hermes was updated" in stage.hermes("router", "status")
    stage.gateway.stop()
    stage.install.collect()
    assert not before.exists()
    stage.gateway.start()
    stage.gateway.wait_prepared(120)
    keys = {CAREER: "career-key", SYSTEMS: "systems-key", BOXED: "key-of-boxed"}
    for topic, key in keys.items():
        assert stage.answers(f"after the update, {key}", topic) == key
    assert stage.install.leased(after)
