"""A profile whose workers never get ready costs next to nothing, and is back when it is mended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram

CRASHES = "import os\n\n\ndef register(ctx):\n    os._exit(3)\n"
MESSAGES = 10


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    plugin = plugin_of(stage)
    plugin.mkdir(parents=True)
    (plugin / "plugin.yaml").write_text("name: crashes\nversion: 0.0.1\ndescription: it ends\n")
    (plugin / "__init__.py").write_text(CRASHES)
    stage.root.profiles["career"].configure({"plugins": {"enabled": ["crashes"]}})
    return stage


def plugin_of(stage: Stage) -> Path:
    return stage.root.profiles["career"].path / "plugins" / "crashes"


def asked(stage: Stage, text: str) -> tuple[str, float]:
    """Say something to career; return the line that comes, and after how many seconds."""
    seq, begun = stage.telegram.seq, time.monotonic()
    stage.telegram.say(text, chat_id=FORUM, thread_id=CAREER)
    said = stage.telegram.wait_reply(FORUM, CAREER, after=seq, contains="⚠️", timeout=150)
    return said.text, time.monotonic() - begun


@pytest.mark.timeout(300)  # several starts of workers that take seconds each
def test_a_profile_that_cannot_start_is_answered_at_once_and_recovers(stage: Stage) -> None:
    stage.ask("warm up", SYSTEMS, contains="warm up")
    told = [asked(stage, f"message {number}") for number in range(MESSAGES)]
    assert all("status 3" in text for text, _ in told), told
    assert "could not be started" in told[0][0]
    refused = [(text, seconds) for text, seconds in told if "cannot be started" in text]
    assert len(refused) >= MESSAGES / 2, told
    assert all("The next attempt is in" in text for text, _ in refused)
    assert stage.worker_log("career").count(" worker turn=") <= MESSAGES / 2
    quick = sorted(seconds for _, seconds in refused)
    assert quick[len(quick) // 2] < max(2.0, told[0][1] / 2), told
    assert stage.ask("all well?", SYSTEMS, contains="all well?").text == "echo: all well?"
    (plugin_of(stage) / "__init__.py").write_text("def register(ctx):\n    pass\n")
    assert stage.ask("mended?", CAREER, contains="mended?").text == "echo: mended?"
