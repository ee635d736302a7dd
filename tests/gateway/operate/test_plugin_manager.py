"""The life of the plugin with Hermes's own plugin manager: installed, updated, disabled, removed.

Hermes's commands are the real ones. Its package manager would download a Python and build an
environment for each selection of plugins. That environment is laid out by hand before the command
runs, so that the package manager finds it built.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, UNROUTED
from tests.gateway.operate.test_managed import Managed
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot
from tests.kit.outside.terminal import OnTerminal, on_terminal
from tests.kit.roots.clone import ROOT, RouterClone
from tests.kit.roots.managed import ManagedInstall, packages_of

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="this Hermes has no package manager"
    ),
]

INSTALL = "hermes plugins install file:///path/to/hermes-router --enable --yes-deps"
UPDATE = "hermes plugins update hermes-router"
PAGES = {INSTALL: ("README.md", "docs/install.md"), UPDATE: ("docs/upgrade.md",)}

EXPECTED_STAMP = """\
import sys
sys.path[:0] = {places!r}
from pathlib import Path
from pm.packages import Venv
members = {{Path(plugin): Path(source) for plugin, source in {members!r}.items()}}
print(Venv(Path({checkout!r})).expected_stamp([], plugin_dirs=members))
"""


class PluginInstall(ManagedInstall):
    """An installation of Hermes into which its own manager brings the router."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.plugin = home / "plugins" / "hermes-router"
        self.prepared = home.parent / "package-manager"

    def build(self) -> None:
        """Lay out Hermes, without a router anywhere."""
        super().build()
        shutil.rmtree(self.plugin)
        (self.checkout / "uv.lock").write_text("version = 1\n")
        _record(self.store / "facts.json", {"python": {"entry": "python"}})
        self.without_router = self.state / "environments" / "first" / "venv"
        self.bring_in(self.without_router, None)
        (self.without_router / "bin" / "hermes-router").unlink()
        self.expect(self.without_router, None)
        self._prepare_package_manager()

    def remove(self) -> None:
        super().remove()
        shutil.rmtree(self.prepared, ignore_errors=True)

    def environment_with(self, name: str, clone: Path) -> Path:
        """Build the environment that holds the router of a clone; return its folder."""
        environment = self.add_generation(name)
        self.bring_in(environment, clone)
        return environment

    def expect(self, environment: Path, clone: Path | None) -> None:
        """Record an environment as the one that was built for a clone's router, or for no plugin.

        The package manager then builds nothing for a selection of just that.
        """
        members = {} if clone is None else {str(self.plugin): str(clone)}
        places = [str(self.checkout), str(packages_of(environment))]
        code = EXPECTED_STAMP.format(places=places, members=members, checkout=str(self.checkout))
        stamp = self.environment(code).strip()
        fact: dict[str, object] = {"environment": str(environment), "stamp": stamp, "extras": []}
        _record(self.state / "facts.json", {"venv": fact})

    def _prepare_package_manager(self) -> None:
        """Name the Python that the package manager runs in, as Hermes's Docker image does."""
        self.prepared.mkdir()
        site = packages_of(self.without_router)
        runtime = {"python": str(self.python), "sitePackages": str(site)}
        (self.prepared / "pm-runtime.json").write_text(json.dumps(runtime))
        stamp = {"distribution": "docker", "pmRuntime": str(self.prepared)}
        (self.prepared / "install-stamp.json").write_text(json.dumps(stamp))


def _record(file: Path, packages: dict[str, dict[str, object]]) -> None:
    """Write a record of the package manager's own."""
    file.write_text(json.dumps({"schema": 1, "packages": packages}))


class Life(Managed):
    """A stage whose router comes and goes by `hermes plugins`."""

    install: PluginInstall
    clone: RouterClone

    def plugins(self, *words: str) -> str:
        """Run `hermes plugins` without a terminal; return what it prints."""
        self.root.extra_environ["HERMES_INSTALL_ROOT"] = str(self.install.prepared)
        try:
            return " ".join(self.hermes("plugins", *words).split())
        finally:
            del self.root.extra_environ["HERMES_INSTALL_ROOT"]

    def plugins_on_terminal(self, *words: str, typed: str) -> OnTerminal:
        """Run `hermes plugins` on a terminal."""
        environ = self.root.gateway_environ()
        environ["HERMES_INSTALL_ROOT"] = str(self.install.prepared)
        command = [str(self.install.launcher), "plugins", *words]
        return on_terminal(command, environ, self.root.base, typed=typed)

    def version(self) -> str:
        """Return the version of the router that the running gateway says it has."""
        said = self.outside(str(self.install.launcher), "router", "status", "--json").stdout
        return str(json.loads(said)["versions"]["router"])

    def documented(self, command: str) -> list[str]:
        """Return the words after `hermes plugins` of a command that its pages show to people."""
        for page in PAGES[command]:
            assert f"\n{command}\n" in (ROOT / page).read_text("utf-8"), page
        return shlex.split(command.replace("file:///path/to/hermes-router", self.clone.url))[2:]

    def enabled(self) -> list[str]:
        return list(self.root.config.get("plugins", {}).get("enabled") or [])


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Life]:
    """A Hermes with a profile and without a router; the tests are its story, in their order."""
    base = tmp_path_factory.mktemp("stage")
    stage = Life(telegram, model, HermesRoot(base, telegram=telegram, model=model))
    stage.root.add_profile("career", api_key="career-key")
    elsewhere = {"name": "elsewhere", "platform": "telegram", "chat_id": "-42"}
    stage.root.configure(
        {
            "gateway": {"profile_routes": [elsewhere | {"profile": "career"}]},
            "hermes_router": {
                "defaults": {"jobs": {"upkeep": False}, "warm": {"enabled": False}},
            },
        }
    )
    for topic in (CAREER, UNROUTED):
        telegram.add_topic(topic, f"topic {topic}")
    stage.clone = RouterClone(base / "clone")
    stage.install = PluginInstall(stage.root.path)
    stage.install.build()
    stage.root.extra_environ["PATH"] = os.defpath
    stage.gateway = Gateway(stage.root)
    stage.gateway.command = [str(stage.install.launcher), "gateway", "run"]
    try:
        yield stage
    finally:
        stage.gateway.stop()
        stage.install.remove()


@pytest.fixture(scope="module")
def before(stage: Life) -> set[str]:
    """What there was before the router came."""
    return names(stage.root.base)


def names(base: Path) -> set[str]:
    """Return the paths of a user's files, without Hermes's own installation and the clone."""
    others = {base / "clone", base / "package-manager"}
    others |= {base / "hermes" / name for name in ("hermes-agent", "tools", "installs")}
    return {
        str(path.relative_to(base))
        for path in base.rglob("*")
        if others.isdisjoint((path, *path.parents))
    }


def test_installed_without_a_question_it_serves(stage: Life, before: set[str]) -> None:
    stage.clone.commit("0.1.7")
    environment = stage.install.environment_with("with-0.1.7", stage.clone.folder)
    stage.install.expect(environment, stage.clone.folder)
    told = stage.plugins(*stage.documented(INSTALL))
    assert "enabled" in told, told[-3000:]
    assert before, "there is something to compare with in the end"
    assert stage.enabled() == ["hermes-router"]
    assert (ROOT / "README.md").read_text("utf-8").count(f"{INSTALL}\nhermes router init\n") == 1
    done_by_init = stage.hermes("router", "init", "--map", f"telegram:{FORUM}:{CAREER}=career")
    assert "is routed to career" in done_by_init
    assert "parked for Hermes's own gateway: career" in done_by_init
    stage.gateway.start()
    assert stage.answers("hello", CAREER) == "career-key"
    assert stage.version() == "0.1.7"


def test_an_update_counts_from_the_restart_on(stage: Life) -> None:
    stage.clone.commit("0.1.8")
    environment = stage.install.environment_with("with-0.1.8", stage.clone.folder)
    stage.install.expect(environment, stage.clone.folder)
    told = stage.plugins(*stage.documented(UPDATE))
    assert "updated" in told, told[-3000:]
    assert stage.version() == "0.1.7"
    assert "Hermes has another environment of dependencies and plugins" in stage.hermes(
        "router", "status"
    )
    assert "hermes gateway restart" in stage.hermes("router", "doctor")
    assert stage.answers("before the restart", CAREER) == "career-key"
    stage.gateway.restart()
    assert stage.version() == "0.1.8"
    assert stage.answers("after the restart", CAREER) == "career-key"


def test_with_a_commit_the_plugin_is_pinned_to_it(stage: Life) -> None:
    words = ("install", stage.clone.url, "--force", "--yes-deps", "--ref", stage.clone.head())
    assert "Replacement installed" in stage.plugins(*words)
    pinned = stage.plugins("update", "hermes-router")
    assert f"is pinned to {stage.clone.head()}" in pinned
    assert "--force --ref" in pinned


def test_disabled_by_hermes_nobody_answers_in_its_place(stage: Life) -> None:
    stage.install.expect(stage.install.without_router, None)
    assert "disabled" in stage.plugins("disable", "hermes-router")
    stage.gateway.restart()
    seq = stage.model.seq
    stage.telegram.say("said to nobody", chat_id=FORUM, thread_id=CAREER)
    assert "echo: hello" in stage.ask("hello", UNROUTED).text
    asked = [request.body.decode() for request in stage.model.requests("chat", after=seq)]
    assert not [body for body in asked if "said to nobody" in body]


def test_purged_and_removed_nothing_of_ours_is_left(stage: Life, before: set[str]) -> None:
    stage.gateway.stop()
    assert "not a `hermes` command" in stage.hermes("router", "disable", "--purge")
    environment = stage.install.state / "environments" / "with-0.1.8" / "venv"
    stage.install.expect(environment, stage.clone.folder)
    assert "enabled" in stage.plugins("enable", "hermes-router")
    purged = stage.hermes("router", "disable", "--purge")
    assert "hermes plugins remove hermes-router" in purged
    assert "removed from" in stage.plugins("remove", "hermes-router")
    left = sorted(names(stage.root.base) - before)
    ours = [name for name in left if "router" in name or name.endswith("gateway.parked")]
    assert ours == ["hermes/config.yaml.before-hermes-router"]
    assert mentions(stage.root.base, left) == []


def mentions(base: Path, left: list[str]) -> list[str]:
    """Return the files that speak of the router, but for those that the page says stay.

    A profile's database knows its conversations by the name of who asks for them.
    """
    stay = {"logs", "backups", "gateway.log", "config.yaml.before-hermes-router", "state.db"}
    return [
        name
        for name in left
        if not stay & set(Path(name).parts)
        and (base / name).is_file()
        and any(word in (base / name).read_bytes() for word in (b"hermes-router", b"hermes_router"))
    ]
