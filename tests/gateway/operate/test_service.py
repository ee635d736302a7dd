"""The example unit, run by a systemd: start, crash, restart, and a stop in mid-turn."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, Reply
from tests.kit.gateway import START_TIMEOUT
from tests.kit.outside.user_systemd import UserSystemd, obstacle
from tests.kit.waiting import wait_until

UNIT = "hermes-gateway.service"
pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))


class Service(Stage):
    """A stage whose gateway is a unit of a systemd."""

    systemd: UserSystemd

    def begin(self) -> None:
        """Start the unit; return when the gateway asks for updates."""
        done = self.systemd.systemctl("start", UNIT)
        assert done.returncode == 0, done.stderr
        self.wait_serving(0)

    def wait_serving(self, former: int) -> None:
        """Return when another process than the former one is the gateway, and asks for updates."""
        wait_until(lambda: self.main_pid() not in {0, former}, START_TIMEOUT)
        seq = self.telegram.seq
        self.telegram.wait_polling(self.root.token, after=seq, timeout=START_TIMEOUT)

    def main_pid(self) -> int:
        """Return the gateway's process id; 0 while there is none."""
        return int(self.systemd.shows(UNIT, "MainPID"))


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Service]:
    built = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage = Service(telegram, model, built.root)
    stage.gateway = Gateway(stage.root)
    stage.root.configure({"agent": {"restart_drain_timeout": 60}})
    account = tmp_path_factory.mktemp("account")  # processes below the root's folder are its own
    stage.systemd = UserSystemd(account)
    example = Path(__file__).parents[3] / "configs" / UNIT
    shutil.copy(example, stage.systemd.units / UNIT)
    told = stage.systemd.units / f"{UNIT}.d" / "environment.conf"
    told.parent.mkdir()
    lines = [f'Environment="{k}={quoted(v)}"' for k, v in stage.root.gateway_environ().items()]
    told.write_text("\n".join(["[Service]", *lines, f"WorkingDirectory={account}", ""]))
    program = account / ".local" / "bin" / "hermes"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("hermes"))
    try:
        with stage.systemd:
            stage.begin()
            yield stage
    finally:
        stage.gateway.stop()


def quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def test_a_gateway_that_is_killed_is_started_again_and_its_workers_are_gone(stage: Service) -> None:
    stage.ask("before", CAREER, contains="before")
    stage.ask('[[tool terminal {"command": "sleep 3597", "background": true}]]', CAREER)
    killed = stage.main_pid()
    worker = stage.worker_in_turn("career")
    os.kill(killed, signal.SIGKILL)
    stage.wait_serving(killed)
    assert not Path(f"/proc/{worker}").exists()
    assert stage.systemd.shows(UNIT, "NRestarts") == "1"
    stage.ask("after", CAREER, contains="after")


def test_the_status_that_asks_for_a_restart_is_no_failure(stage: Service) -> None:
    before = stage.main_pid()
    stage.telegram.say("/restart", thread_id=SYSTEMS)
    stage.wait_serving(before)
    assert stage.systemd.shows(UNIT, "ActiveState") == "active"
    stage.ask("restarted", SYSTEMS, contains="restarted")


def test_a_stop_waits_for_the_turn_and_leaves_nothing(stage: Service) -> None:
    hold, seq = threading.Event(), stage.telegram.seq
    stage.model.script(Reply("the end of it", hold=hold), contains="think long", times=1)
    stage.telegram.say("think long", thread_id=CAREER)
    stage.model.wait_chat("think long", timeout=ANSWER_SECONDS)
    stopping = threading.Thread(target=stage.systemd.systemctl, args=["stop", UNIT])
    stopping.start()
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="hutting down", after=seq, timeout=ANSWER_SECONDS
    )
    hold.set()
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="the end of it", after=seq, timeout=ANSWER_SECONDS
    )
    stopping.join(ANSWER_SECONDS)
    assert stage.systemd.shows(UNIT, "ActiveState") == "inactive"
    assert stage.systemd.shows(UNIT, "Result") == "success"
    stage.gateway.wait_no_leftovers()
