"""Disks that take no more, and files that say nothing: people are told, and service goes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.gateway.failures.outcomes import said, wait_said
from tests.kit import FORUM

#: Most tests start the gateway again, and its workers cold.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]

#: Bytes that are no text and no message of any format.
GARBAGE = b"\xc1\xc1\x00{[" * 50

#: Megabytes of the disk on which career's home lies.
DISK = 48

#: Seconds in which somebody is told that the home is full.
TOLD_SECONDS = 100.0


def test_a_ledger_that_cannot_be_written_is_said_in_the_chat_once(stage: Stage) -> None:
    folder = stage.root.path / "hermes-router"
    away = folder.with_name("hermes-router-away")
    stage.gateway.stop()
    folder.rename(away)
    folder.touch()
    stage.gateway.start()
    seq = stage.telegram.seq
    try:
        stage.ask("are you there?", CAREER, contains="are you there?")
        stage.ask("and again?", CAREER, contains="and again?")
        texts = said(stage, CAREER, seq)
    finally:
        folder.unlink()
        away.rename(folder)
    assert [text for text in texts if "could not record it" in text] == texts[:1]
    assert texts[1:] == ["echo: are you there?", "echo: and again?"]
    stage.ask("all well?", CAREER, contains="all well?")
    assert said(stage, CAREER, seq)[3:] == ["echo: all well?"]


def test_files_that_are_garbage_cost_no_message(stage: Stage) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    stage.gateway.stop()
    homes = [stage.root.path, stage.root.profiles["career"].path]
    files = [path for home in homes for path in (home / "hermes-router").rglob("*")]
    spoilt = [path for path in files if path.is_file()]
    assert spoilt
    for path in spoilt:
        path.write_bytes(GARBAGE)
    stage.gateway.start()
    seq = stage.telegram.seq
    stage.ask("are you there?", CAREER, contains="are you there?")
    stage.ask("and you?", SYSTEMS, contains="and you?")
    assert said(stage, CAREER, seq) == ["echo: are you there?"]


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT SHOWN: only root mounts a small disk")
def test_a_full_home_is_said_in_the_chat_and_served_again_when_there_is_room(
    stage: Stage, own_command: None
) -> None:
    home = stage.root.profiles["career"].path
    on_a_small_disk(stage, home)
    stage.gateway.restart()
    stage.ask("warm up", CAREER, contains="warm up")
    full = as_the_gateway_sees_it(stage, home / "workspace" / "full")
    fill(full)
    for number in range(3):
        seq, begun = stage.telegram.seq, time.monotonic()
        stage.telegram.say(f"is it full, {number}?", chat_id=FORUM, thread_id=CAREER)
        wait_said(stage, CAREER, seq, "")
        assert time.monotonic() - begun < TOLD_SECONDS
    assert stage.ask("all well?", SYSTEMS, contains="all well?").text == "echo: all well?"
    full.unlink()
    seq = stage.telegram.seq
    stage.telegram.say("is there room?", chat_id=FORUM, thread_id=CAREER)
    wait_said(stage, CAREER, seq, "echo: is there room?")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT SHOWN: only root mounts a small disk")
def test_a_temporary_folder_that_is_full_or_gone_costs_no_message(
    stage: Stage, own_command: None
) -> None:
    folder = stage.root.base / "tmp"
    on_a_small_disk(stage, folder)
    stage.gateway.restart()
    stage.ask("warm up", CAREER, contains="warm up")
    fill(as_the_gateway_sees_it(stage, folder / "full"))
    served(stage, "it is full")
    in_its_namespace = ["nsenter", "-m", "-t", str(stage.gateway.pid)]
    subprocess.run([*in_its_namespace, "umount", "-l", str(folder)], check=True)
    away = folder.rename(folder.with_name("tmp-away"))
    try:
        served(stage, "it is gone")
    finally:
        away.rename(folder)


def served(stage: Stage, words: str) -> None:
    """Have a prepared worker, a forked one and another profile's answer, each once."""
    seq = stage.telegram.seq
    asked = [(f"{words}, {name}?", topic) for name, topic in (("a", CAREER), ("b", CAREER))]
    for text, topic in [*asked, (f"{words}, and you?", SYSTEMS)]:
        stage.ask(text, topic, contains=text)
    assert said(stage, CAREER, seq) == [f"echo: {text}" for text, _topic in asked]


@pytest.fixture
def own_command(stage: Stage) -> Iterator[None]:
    """Give the gateway its command back."""
    before = stage.gateway.command
    yield
    stage.gateway.command = before


def on_a_small_disk(stage: Stage, folder: Path) -> None:
    """Have the next gateway, and whatever it starts, find a folder on a small disk."""
    mount = f'mount -t tmpfs -o size={DISK}m,mode=700 small "$0"'
    script = f'cp -a "$0" "$1" && {mount} && cp -a "$1/." "$0" && shift && exec "$@"'
    before = [str(folder), str(folder.with_name(f"{folder.name}-before"))]
    stage.gateway.command = ["unshare", "-m", "sh", "-c", script, *before, *stage.gateway.command]


def as_the_gateway_sees_it(stage: Stage, path: Path) -> Path:
    return Path(f"/proc/{stage.gateway.pid}/root") / path.relative_to("/")


def fill(path: Path) -> None:
    """Write a file until nothing more fits on its disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return
