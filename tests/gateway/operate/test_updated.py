"""The router, or Hermes, changes on disk under a gateway that runs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.gateway.operate import test_commands as commands
from tests.kit import FakeModel, FakeTelegram, Gateway

pytestmark = pytest.mark.timeout(300)

OURS = ("hermes_router", "hermes_router_worker")
HERMES = ("gateway", "hermes_cli")
NOTICE = "The gateway was updated while it ran"
BROKEN = "raise ImportError('an update that is none of this gateway')\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder before all others on the path, with code that a test may change."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, site: Path, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Stage]:
    """A gateway that takes the router and Hermes from that folder."""
    beside = package("gateway").parent
    for entry in beside.iterdir():
        if entry.name not in {*HERMES, "__pycache__"} and entry.suffix not in {
            ".dist-info",
            ".pth",
        }:
            (site / entry.name).symlink_to(entry)
    for name in (*HERMES, *OURS):
        shutil.copytree(package(name), site / name)
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.extra_environ["PYTHONPATH"] = str(site)
    stage.root.configure(
        {
            "hermes_router": {
                "defaults": {"jobs": {"upkeep": False}},
                "profiles": {"career": {"warm": {"enabled": False}}},
            }
        }
    )
    with Gateway(stage.root) as stage.gateway:
        yield stage


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def command(stage: Stage, *arguments: str) -> str:
    done = commands.command(stage, *arguments)
    return done.stdout + done.stderr


def answers(stage: Stage, text: str, topic: int) -> str:
    """Say something; return the key of the profile whose model has answered it."""
    seq = stage.model.seq
    assert f"echo: {text}" in stage.ask(text, topic).text
    said = [r for r in stage.model.requests("chat", after=seq) if text in r.body.decode()]
    return said[-1].api_key


def warned(stage: Stage, text: str) -> int:
    return stage.root.log("errors.log").count(text)


def test_no_worker_is_started_from_another_hermes(stage: Stage, site: Path) -> None:
    run = site / "gateway" / "run.py"
    before = run.read_bytes()
    assert answers(stage, "hello", CAREER) == "career-key"
    os.utime(run)
    assert answers(stage, "only written anew", CAREER) == "career-key"

    run.write_bytes(before + b"\n# the next release\n")
    for topic in (CAREER, SYSTEMS):
        told = stage.ask("hello", topic).text
        assert NOTICE in told
        assert f"HERMES_HOME={stage.root.path} hermes gateway restart" in told
        assert "again" not in told
    stage.gateway.wait_log("Hermes was updated: no routed conversation is answered")
    assert "Hermes was updated" in command(stage, "status")
    status = json.loads(command(stage, "status", "--json"))
    assert len(status["updated"]) == 1

    run.write_bytes(before)
    assert answers(stage, "back to what runs", CAREER) == "career-key"
    assert warned(stage, "Hermes was updated: no routed conversation is answered") == 1


def test_workers_are_of_the_router_that_the_gateway_runs(stage: Stage, site: Path) -> None:
    """Cold, prepared, and what a worker starts itself: all of the code before the update."""
    copies = stage.root.path / "hermes-router" / "code"
    assert len(list(copies.iterdir())) == 1
    stage.wait_settled("career")
    for name in OURS:
        shutil.rmtree(site / name)
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(BROKEN)
    assert answers(stage, "hello again", CAREER) == "career-key"
    assert answers(stage, "hello", SYSTEMS) == "systems-key"
    sent = stage.run("hermes send 'said by a process of the worker'; echo status $?")
    assert "status 0" in sent
    stage.gateway.wait_log("hermes-router was updated")

    for name in OURS:
        shutil.rmtree(site / name)
        shutil.copytree(package(name), site / name)
    with (site / "hermes_router" / "base" / "errors.py").open("a") as file:
        file.write("# the next release\n")
    assert "an older router" in command(stage, "routes")
    assert "hermes-router was updated" in command(stage, "status")
    assert "hermes gateway restart" in command(stage, "doctor")
    assert warned(stage, "hermes-router was updated") == 1


def test_a_restart_takes_what_is_there(stage: Stage, site: Path) -> None:
    """The next release of both: workers are started again, and no old copy is left."""
    with (site / "gateway" / "run.py").open("a") as file:
        file.write("# the next release\n")
    stage.gateway.stop()
    assert list((stage.root.path / "hermes-router" / "code").iterdir()) == []
    stage.gateway.start()
    assert answers(stage, "after a restart", CAREER) == "career-key"
