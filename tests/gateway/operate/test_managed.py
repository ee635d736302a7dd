"""The gateway of an installation that Hermes's own package manager has made."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.gateway.workers.test_warm import turns, wait_prepared
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway
from tests.kit.model.directives import tool
from tests.kit.roots.managed import ManagedInstall
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="this Hermes has no package manager"
    ),
]

SANDBOXED = {"launcher": "bubblewrap"}
COLD = {"warm": {"enabled": False}}


class Managed(Stage):
    """A stage with an installation of its own; nothing of the tests' Python is in reach."""

    install: ManagedInstall

    def said_by(self, program: Path, *arguments: str) -> str:
        """Run a program; return what it prints, whatever its status."""
        done = self.outside(str(program), *arguments)
        return done.stdout + done.stderr

    def hermes(self, *arguments: str) -> str:
        return self.said_by(self.install.launcher, *arguments)

    def start_of(self, profile: str) -> str | None:
        """Return how the worker of a profile's last turn was started."""
        return turns(self, profile)[-1].start

    def answers(self, text: str, topic: int) -> str:
        """Say something; return the key of the profile whose model has answered it."""
        seq = self.model.seq
        assert f"echo: {text}" in self.ask(text, topic).text
        said = [r for r in self.model.requests("chat", after=seq) if text in r.body.decode()]
        return said[-1].api_key


BOXED_COLD, BOXED = 31, 32
"""Topics of two more profiles, whose workers are started in a sandbox."""

PROFILES = {
    "career": COLD,
    "boxed-cold": {**SANDBOXED, **COLD},
    "boxed": SANDBOXED,
}


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Managed]:
    """One installation and one gateway for all tests here: the last one brings an update."""
    built = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage = Managed(telegram, model, built.root)
    routes = {str(BOXED_COLD): "boxed-cold", str(BOXED): "boxed"}
    stage.root.configure(
        {
            "hermes_router": {"profiles": PROFILES, "schedule": {"cron": 0.2}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
        }
    )
    for topic, name in ((BOXED_COLD, "boxed-cold"), (BOXED, "boxed")):
        stage.root.add_profile(name, api_key=f"{name}-key")
        telegram.add_topic(topic, name)
    stage.install = ManagedInstall(stage.root.path)
    stage.install.build()
    stage.root.extra_environ["PATH"] = os.defpath
    stage.gateway = Gateway(stage.root)
    stage.gateway.command = [str(stage.install.launcher), "gateway", "run"]
    try:
        with stage.gateway:
            stage.gateway.wait_prepared(120)
            yield stage
    finally:
        stage.install.remove()


def test_routed_turns_and_what_a_worker_starts(stage: Managed) -> None:
    assert stage.answers("cold", CAREER) == "career-key"
    assert stage.start_of("career") == "cold"
    assert stage.answers("prepared", SYSTEMS) == "systems-key"
    assert stage.start_of("systems") == "prepared"
    seq = stage.telegram.seq
    sent = stage.run("hermes send 'said by a process of the worker'; echo status $?")
    assert "status 0" in sent
    stage.telegram.wait_reply(FORUM, CAREER, contains="said by a process", after=seq)
    assert "serving 5 routes" in stage.hermes("router", "routes")
    assert "running" in stage.hermes("router", "status")
    script = stage.install.state / "environments" / "first" / "venv" / "bin" / "hermes-router"
    assert "serving" in stage.said_by(script, "routes")


def test_a_sandbox_has_store_and_generation_to_read(stage: Managed) -> None:
    state = stage.install.state
    assert stage.answers("cold", BOXED_COLD) == "boxed-cold-key"
    assert stage.answers("prepared", BOXED) == "boxed-key"
    assert stage.start_of("boxed") == "prepared"
    seen, tried, sent = in_one_turn(
        stage,
        f"ls {state} {stage.root.path} {stage.root.path}/profiles",
        f"touch {stage.install.python}.new {state}/environments/first/venv/pyvenv.cfg"
        f" {state}/facts.json; touch {state}/mine; ls -A {state}",
        "hermes send 'said in a sandbox'; echo status $?",
    )
    assert "environments" in seen
    assert "systems" not in seen
    assert ".env" not in seen
    assert tried.count("Read-only file system") == 3
    assert not (state / "mine").exists()
    assert "status 0" in sent
    assert "out of sync" not in sent


def in_one_turn(stage: Managed, *commands: str) -> list[str]:
    """Run commands in one turn in a sandbox, and return what came of each."""
    said = stage.run("; echo ====; ".join(commands), BOXED_COLD)
    return said.split("====")


def test_a_cron_job_is_delivered_to_its_topic(stage: Managed) -> None:
    cron = CronStore(stage.root.profiles["systems"].path)
    seq = stage.telegram.seq
    origin = {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(SYSTEMS)}
    cron.add("brief", due=-5, deliver="origin", origin=origin)
    answer = stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="do brief", after=seq, timeout=ANSWER_SECONDS
    )
    assert "Cronjob Response: brief" in answer.text


@contextmanager
def held_turn(stage: Managed, folder: Path) -> Iterator[None]:
    """Have a turn run until the end of the block; then it must answer."""
    begun, go = folder / "begun", folder / "go"
    waits = f"touch {begun}; while [ ! -e {go} ]; do sleep 0.05; done; echo it went on"
    stage.telegram.say(tool("terminal", command=waits), chat_id=FORUM, thread_id=SYSTEMS)
    wait_until(begun.exists, ANSWER_SECONDS)
    seq = stage.telegram.seq
    try:
        yield
    finally:
        go.touch()
    stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="it went on", after=seq, timeout=ANSWER_SECONDS
    )


def test_a_new_generation_under_a_running_gateway(stage: Managed, tmp_path: Path) -> None:
    """Turns go on to be served; the generation of the gateway stays, after a restart it may go."""
    first, second = (stage.install.state / "environments" / name for name in ("first", "second"))
    with held_turn(stage, tmp_path):
        stage.install.select(stage.install.add_generation(second.name))
        stage.install.collect()
        assert first.is_dir()
        assert stage.answers("after", CAREER) == "career-key"
    assert stage.start_of("systems") == "prepared"
    wait_until(lambda: stage.install.leased(second), 120)
    wait_prepared(stage, "systems")
    assert stage.answers("after, prepared", SYSTEMS) == "systems-key"
    assert stage.start_of("systems") == "prepared"
    assert stage.answers("after, sandboxed", BOXED_COLD) == "boxed-cold-key"
    run = stage.install.checkout / "gateway" / "run.py"
    changed = run.read_bytes() + b"\n# the next release\n"
    run.unlink()
    run.write_bytes(changed)
    told = stage.ask("hello", CAREER).text
    assert "hermes gateway restart" in told
    assert "again" not in told
    stage.gateway.stop()
    stage.install.collect()
    assert not first.exists()
    stage.gateway.start()
    stage.gateway.wait_prepared(120)
    for topic, profile in ((SYSTEMS, "systems"), (BOXED, "boxed")):
        assert stage.answers(f"restarted, to {profile}", topic) == f"{profile}-key"
        assert stage.start_of(profile) == "prepared"
