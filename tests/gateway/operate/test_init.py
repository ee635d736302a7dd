"""`init` as a newcomer uses it: a bot that answers, one command, one restart, another profile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, UNROUTED
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot
from tests.kit.outside.terminal import DOWN, ENTER, UP, pressed

INIT = (sys.executable, "-m", "hermes_router.cli", "init")


def init(root: HermesRoot, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*INIT, *arguments],
        env=root.gateway_environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def said(telegram: FakeTelegram, text: str, topic: int) -> str:
    seq = telegram.seq
    telegram.say(text, thread_id=topic)
    return telegram.wait_reply(FORUM, topic, after=seq, timeout=ANSWER_SECONDS).text


@pytest.mark.timeout(400)  # three starts of a gateway, two of them cold
def test_from_a_bot_that_answers_to_a_routed_conversation(
    tmp_path: Path, telegram: FakeTelegram, model: FakeModel
) -> None:
    telegram.add_topic(CAREER, "Career")
    root = HermesRoot(tmp_path, telegram=telegram, model=model)
    place = f"telegram:{FORUM}:{CAREER}"
    with Gateway(root) as gateway:
        for topic in (CAREER, UNROUTED):
            assert "default" in said(telegram, "/profile", topic)
            said(telegram, "hello", topic)
        assert place in init(root, "--list").stdout
        keys = [
            ("Which conversation?", ENTER),
            ("a new profile", UP + ENTER),  # above no route, which is so now
            ("Its name", "career" + ENTER),
            ("Done: 1 to change", DOWN * 2 + ENTER),
        ]
        shown = pressed(INIT, root.gateway_environ(), tmp_path, keys)
        assert "created the profile career, with the model and key of" in shown
        assert f"{place} is routed to career" in shown
        assert "a gateway loads plugins only when it starts: " in shown
        gateway.restart()
        assert "career" in said(telegram, "/profile", CAREER)
        assert "echo: are you there" in said(telegram, "are you there?", CAREER)
        assert "default" in said(telegram, "/profile", UNROUTED)
        assert init(root, "--undo").returncode == 0
        gateway.restart()
        assert "default" in said(telegram, "/profile", CAREER)
