"""A clock that jumps while a turn runs: each message has its one answer, before and after."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.gateway.failures.outcomes import QUIET, said, wait_said
from tests.kit import Gateway, Reply

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not LIBRARIES, reason="NOT SHOWN: libfaketime is not installed"),
]

TRUE = "+0"

#: Seconds after which the gateway looks again what its clock is off by.
CACHED_SECONDS = 1


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with what the gateway's clock is off by, such as ``+3d``."""
    path = tmp_path_factory.mktemp("clock") / "offset"
    path.write_text(TRUE)
    return path


@pytest.fixture(scope="module")
def stage(prepared: Stage, offset: Path) -> Iterator[Stage]:
    variables = {
        "LD_PRELOAD": LIBRARIES[0],
        "FAKETIME_TIMESTAMP_FILE": offset,
        "FAKETIME_CACHE_DURATION": CACHED_SECONDS,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        "NO_FAKE_STAT": 1,  # the times of files stay, as they do when a real clock jumps
    }
    gateway = Gateway(prepared.root)
    assignments = [f"{name}={value}" for name, value in variables.items()]
    gateway.command = ["env", *assignments, *gateway.command]
    with gateway:
        prepared.gateway = gateway
        gateway.wait_prepared()
        yield prepared


@pytest.mark.parametrize("jump", ["+3d", "-3d"])
def test_a_clock_that_jumps_costs_no_message_and_no_second_word(
    stage: Stage, offset: Path, jump: str
) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    hold, after = threading.Event(), stage.telegram.seq
    stage.model.script(Reply("the answer of before", hold=hold), contains="before", times=1)
    stage.telegram.say("before", thread_id=CAREER)
    stage.model.wait_chat("before")
    offset.write_text(jump)
    time.sleep(CACHED_SECONDS)
    stage.ask("and you?", SYSTEMS, contains="and you?")
    stage.gateway.wait_log(
        (datetime.now(tz=UTC).astimezone() + timedelta(days=int(jump[:-1]))).strftime("%Y-%m-%d ")
    )
    hold.set()
    wait_said(stage, CAREER, after, "the answer of before")
    for text in ("after it", "and once more"):
        stage.ask(text, CAREER, contains=text)
    offset.write_text(TRUE)
    stage.ask("back again", CAREER, contains="back again")
    time.sleep(QUIET)
    words = ["after it", "and once more", "back again"]
    assert said(stage, CAREER, after) == ["the answer of before", *(f"echo: {w}" for w in words)]
