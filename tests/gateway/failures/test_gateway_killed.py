"""A gateway that is killed takes its workers along, and no secret of a profile stays on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import CAREER, Stage
from tests.kit import FORUM
from tests.kit.sleepers import sleepers, sleeping_tool
from tests.kit.waiting import wait_until

#: Seconds in which all is gone; a machine under load gets some more to show it.
GONE, SLACK = 2.0, 3.0


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.model.clear_scripts()


def folders(stage: Stage) -> list[Path]:
    return list((stage.root.base / "tmp").glob("hermes-router-*"))


def test_a_killed_gateway_leaves_no_process_and_no_secret(stage: Stage) -> None:
    stage.model.script(sleeping_tool(stage.root.base), contains="sleep on", times=1)
    stage.telegram.say("please sleep on", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 60, "the tool did not start")
    below = [process.pid for process in stage.gateway.tree()]
    snapshots = [file for folder in folders(stage) for file in folder.rglob("hermes-snap-*")]
    assert any(b"career" in file.read_bytes() for file in snapshots)
    killed = time.monotonic()
    stage.gateway.kill()
    wait_until(
        lambda: not any(map(psutil.pid_exists, below)) and not sleepers(),
        GONE + SLACK,
        "something is left",
    )
    wait_until(lambda: not any(map(Path.exists, snapshots)), SLACK, "a secret is left")
    print(f"gone after {time.monotonic() - killed:.2f} s")
    stage.gateway.start()


def test_what_nobody_could_remove_is_removed_by_the_next_gateway(stage: Stage) -> None:
    stage.ask("hello", CAREER, contains="hello")
    tree = [process.pid for process in stage.gateway.tree()]
    left = folders(stage)
    assert left
    (left[0] / "hermes-snap-1.sh").write_text("export CAREER_KEY=secret")
    for pid in tree:  # as a power cut: the supervisors too
        if pid != stage.gateway.pid and psutil.pid_exists(pid):
            psutil.Process(pid).suspend()
    stage.gateway.kill()
    for pid in tree:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()
    assert any(folder.exists() for folder in left)
    stage.gateway.start()
    stage.ask("and now?", CAREER, contains="and now?")
    assert not [folder for folder in left if folder.exists()]
