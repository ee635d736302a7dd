"""The commands in an installation that Hermes's own package manager has made."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.cli.inspect import layouts
from tests.kit import FORUM, FakeModel, FakeTelegram, HermesRoot
from tests.kit.model.directives import tool
from tests.kit.roots.managed import ManagedInstall

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="this Hermes has no package manager"
    ),
]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedInstall]:
    home = tmp_path_factory.mktemp("managed") / "hermes"
    home.mkdir()
    (home / "config.yaml").write_text("plugins: {enabled: [hermes-router]}\n")
    install = ManagedInstall(home)
    install.build()
    yield install
    install.remove()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HermesRoot]:
    """A root with such an installation, a routed profile, and no gateway."""
    with FakeTelegram() as telegram, FakeModel() as model:
        root = HermesRoot(tmp_path_factory.mktemp("say"), telegram=telegram, model=model)
        root.add_profile("career")
        root.add_profile("kept")
        root.extra_environ["PATH"] = os.defpath
        root.configure(
            {
                "plugins": {"enabled": ["hermes-router"]},
                "gateway": {"profile_routes": {"telegram": {str(FORUM): {6: "career", 7: "kept"}}}},
                "hermes_router": {"profiles": {"kept": {"launcher": "bubblewrap"}}},
            }
        )
        install = ManagedInstall(root.path)
        install.build()
        yield root
        install.remove()


def told(root: HermesRoot, topic: int, text: str) -> str:
    """Have a topic's worker answer; return what the person sees."""
    launcher = ManagedInstall(root.path).launcher
    done = subprocess.run(
        [launcher, "router", "test-route", f"telegram:{FORUM}:{topic}", "--say", text],
        env=root.gateway_environ(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_terminal(command: str) -> str:
    return tool("terminal", command=command)


def run(install: ManagedInstall, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.defpath, "HOME": str(install.home), "HERMES_HOME": str(install.home)}
    return subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def test_its_command_is_seen_for_what_it_is(install: ManagedInstall) -> None:
    found = layouts.found(str(install.launcher))
    assert (found.kind, found.python) == ("managed", install.python)


def test_hermes_router_is_a_command_of_hermes(install: ManagedInstall) -> None:
    done = run(install, install.launcher, "router", "routes")
    assert (done.returncode, "no routes" in done.stdout) == (0, True), done.stderr
    done = run(install, install.launcher, "router", "enable")
    assert "hermes router route add" in done.stderr
    assert "hermes-router route" not in done.stdout + done.stderr


def test_the_command_of_the_generation_works_too(install: ManagedInstall) -> None:
    script = install.state / "environments" / "first" / "venv" / "bin" / "hermes-router"
    done = run(install, script, "routes")
    assert (done.returncode, "no routes" in done.stdout) == (0, True), done.stderr


def test_doctor_finds_the_plugin_there(install: ManagedInstall) -> None:
    done = run(install, install.launcher, "router", "doctor", "-v")
    assert "Hermes loads the plugin" in done.stdout, done.stdout + done.stderr
    assert "this Hermes has every function that a worker replaces" in done.stdout
    assert "pip install" not in done.stdout + done.stderr


def test_a_worker_is_started_by_the_launcher(root: HermesRoot) -> None:
    said = told(root, 6, in_terminal("hermes --version; echo status $?"))
    assert "Install directory" in said, said
    assert "status 0" in said


def test_a_sandbox_shows_checkout_store_and_generation_to_read(root: HermesRoot) -> None:
    install = ManagedInstall(root.path)
    generation = install.state / "environments" / "first"
    state = install.state
    look = (
        f"ls -d {root.path}/*; ls -A {state}; hermes --version; hermes send --list; echo status $?"
    )
    seen = told(root, 7, in_terminal(look))
    assert "status 0" in seen, seen
    assert "out of sync" not in seen
    assert all(name in seen for name in ("hermes-agent", "installs", "tools", "environments"))
    assert "config.yaml" not in seen.partition("send #1")[2]
    store = install.python.parents[1] / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    files = (store / "os.py", generation / "venv/pyvenv.cfg", state / "facts.json")
    touch = " ".join(map(str, (*files, install.checkout / "hermes_cli/__init__.py")))
    tried = told(root, 7, in_terminal(f"touch {touch}; touch {state}/mine; ls {state}"))
    assert tried.count("Read-only file system") == 4, tried
    assert not (install.state / "mine").exists()
    assert "mine" in tried


def test_init_makes_a_profile_and_its_route(root: HermesRoot) -> None:
    launcher = ManagedInstall(root.path).launcher
    place = f"telegram:{FORUM}:8"
    done = subprocess.run(
        [launcher, "router", "init", "--create", "finance", "--map", f"{place}=finance"],
        env=root.gateway_environ(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert "created the profile finance" in done.stdout, done.stdout + done.stderr
    assert "echo: who answers" in told(root, 8, "who answers")
