"""The page for the first day, played as it is written: its commands are read from its blocks."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.gateway.conftest import CAREER, ONE_GATEWAY, UNROUTED, Stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not ONE_GATEWAY, reason="the page is written for newer releases"),
]

PAGE = Path(__file__).parents[3] / "docs" / "start.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
CHAT_OF_THE_PAGE = "-1001234567890"
RESTART = "hermes gateway restart"
NOTHING = "nothing to start"
"""How that command ends where it has to be repeated."""


def blocks() -> Iterator[tuple[str, str]]:
    """Yield language and text of each block of the steps, for the forum of the tests."""
    steps, _, _ = PAGE.read_text("utf-8").partition("\n## More routes\n")
    for block in BLOCK.finditer(steps):
        yield block["language"], block["body"].replace(CHAT_OF_THE_PAGE, str(FORUM))


@pytest.fixture
def stage(tmp_path: Path, telegram: FakeTelegram, model: FakeModel) -> Iterator[Stage]:
    """A Hermes whose bot answers, and nothing else: what the page begins with."""
    stage = Stage(telegram, model, HermesRoot(tmp_path, telegram=telegram, model=model))
    stage.root.path.chmod(0o700)  # as Hermes makes it, outside of containers
    for topic in (CAREER, UNROUTED):
        telegram.add_topic(topic, f"topic {topic}")
    with Gateway(stage.root) as stage.gateway:
        assert "default" in stage.ask("/profile", CAREER).text
        yield stage


def carried_out(stage: Stage, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a shell, as a person does."""
    if command == RESTART:
        restart(stage)
        return subprocess.CompletedProcess(command, 0, "", "")
    return stage.outside("sh", "-c", command)


def restart(stage: Stage) -> None:
    """Run the command that restarts a gateway, as the page says; it stays in its terminal.

    It is run again where it takes the gateway that is just ending for one that serves.
    """
    former = stage.gateway
    stage.gateway = Gateway(stage.root)
    stage.gateway.command = shlex.split(RESTART)
    stage.gateway.start()  # both gateways ask the same Telegram, so this may have been the former
    former.wait_exit()
    gone = stage.telegram.seq
    while stage.gateway.running:
        with suppress(TimeoutError):
            stage.telegram.wait_polling(stage.root.token, after=gone, timeout=1)
            return
    assert NOTHING in stage.gateway.log_text()
    stage.gateway.start()


def test_the_steps_of_the_page_end_with_a_routed_answer(stage: Stage) -> None:
    ran = []
    try:
        for language, text in blocks():
            if language == "yaml":
                stage.root.configure(yaml.safe_load(text))
                continue
            for command in text.splitlines():
                done = carried_out(stage, command)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
                ran.append(command)
        assert [command.split()[0] for command in ran].count("hermes-router") == 3
        assert RESTART in ran
        assert NOTHING in PAGE.read_text("utf-8")
        assert "career" in stage.ask("/profile", CAREER).text
        assert "echo: are you there?" in stage.ask("are you there?", CAREER).text
        assert "default" in stage.ask("/profile", UNROUTED).text
    finally:
        stage.gateway.stop()
