"""A gateway that is killed takes everything along, under each launcher, and leaves no secret."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.probes.sleepers import sleepers, sleeping_tool
from tests.kit.roots import ordinary_user
from tests.kit.waiting import wait_until

#: Seconds after which nothing of a killed gateway may be left.
GONE_SECONDS = 2.0
SECRET = "a-secret-of-career"

#: A plugin that hangs while it is imported, once there is the file ``hang`` in its home.
HANGS = """
import os, pathlib, time
home = pathlib.Path(os.environ["HERMES_HOME"])
if (home / "hang").exists():
    (home / "hangs").touch()
    time.sleep(120)


def register(ctx):
    pass
"""

#: A gateway starts twice in it, and three workers from nothing.
pytestmark = pytest.mark.timeout(300)


def obstacle(launcher: str) -> str | None:
    return launchers.check(launcher) or ordinary_user.obstacle()


@pytest.fixture(scope="module", params=["local", "bubblewrap"])
def launcher(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if (reason := obstacle(name)) is not None:
        pytest.skip(f"NOT SHOWN: {reason}")
    return name


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    launcher: str,
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    bound = stage.root.base / "bound"
    bound.mkdir()
    settings: dict[str, object] = {"launcher": launcher}
    if launcher == "bubblewrap":
        settings["sandbox"] = {"binds": [{"path": str(bound)}]}
    stage.root.configure({"hermes_router": {"defaults": settings}})
    stage.root.profiles["career"].configure(
        {"approvals": {"mode": "off"}, "terminal": {"env_passthrough": ["MY_SECRET"]}}
    )
    stage.root.profiles["career"].env({"MY_SECRET": SECRET})
    systems = stage.root.profiles["systems"]
    systems.add_plugin("hangs", HANGS)
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.model.clear_scripts()


def test_nothing_of_a_killed_gateway_runs_after_two_seconds(stage: Stage, launcher: str) -> None:
    stage.ask("warm up", SYSTEMS, contains="warm up")
    stage.model.script(sleeping_tool(stage.root.base / "bound"), contains="sleep on", times=1)
    stage.telegram.say("please sleep on", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    for role in ("template", "ready", "busy"):
        stage.gateway.wait_process(f" {role}")
    assert secrets_in(stage), "the secret lies nowhere: the test would show nothing"
    below = {psutil.Process(process.pid) for process in stage.gateway.tree()} | set(sleepers())
    after = stage.telegram.seq
    assert_all_end_with_the_gateway(stage, below)
    assert len(below) >= 6
    if launcher == "local":
        assert secrets_in(stage) == []
    stage.gateway.start()
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="was interrupted", after=after, timeout=150
    ).text
    time.sleep(1.0)
    assert secrets_in(stage) == []
    assert_logs_tell_of(stage, told)


def test_nothing_runs_after_two_seconds_while_a_template_imports(stage: Stage) -> None:
    home = stage.root.profiles["systems"].path
    stage.gateway.stop()
    (home / "hang").touch()
    stage.gateway.start()
    wait_until((home / "hangs").exists, 120, "no template of the profile is prepared")
    below = {psutil.Process(process.pid) for process in stage.gateway.tree()}
    assert below
    assert_all_end_with_the_gateway(stage, below)


def assert_all_end_with_the_gateway(stage: Stage, below: set[psutil.Process]) -> None:
    seconds = GONE_SECONDS + 10 * a_start()
    stage.gateway.kill()
    wait_until(lambda: not [p for p in below if runs(p)], seconds, "something still runs")


def assert_logs_tell_of(stage: Stage, told: str) -> None:
    """The id that ends a notice leads to the turn, of which two gateways and a worker told."""
    named = re.search(r" \[([0-9a-f]{8})\]$", told)
    assert named is not None, told
    command = [sys.executable, "-m", "hermes_router.cli"]
    shown = stage.outside(*command, "logs", "--turn", named[1]).stdout
    assert "begin profile=career" in shown.replace(f"turn={named[1]} ", ""), shown
    assert "the gateway was interrupted: the model had been asked" in shown, shown
    assert named[1] in stage.outside(*command, "turns", "--failed").stdout


def a_start() -> float:
    """Return how many seconds a small process takes now: a tenth of one where the machine is free.

    Ten processes and more end when a gateway is killed, and each has something to do for it.
    """
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - begun


def runs(process: psutil.Process) -> bool:
    """Say whether a process runs; one that ended and that nobody reaped does not."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def secrets_in(stage: Stage) -> list[Path]:
    """Return the files with the profile's secret in the places that are made for workers."""
    files = (stage.root.base / "tmp").glob("hermes-router-*/**/*")
    return [path for path in files if path.is_file() and SECRET in path.read_text("latin-1")]
