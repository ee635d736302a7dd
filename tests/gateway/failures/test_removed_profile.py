"""A profile that is removed in the middle of a turn."""

from __future__ import annotations

import shutil
import threading

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage
from tests.gateway.failures.outcomes import said
from tests.kit import FORUM, Reply

#: Several workers start cold.
pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("clean")]


def test_a_profile_that_is_removed_in_mid_turn_harms_nobody_else(stage: Stage) -> None:
    home = stage.root.profiles["systems"].path
    kept = home.with_name("kept-systems")
    stage.ask("warm up", SYSTEMS, contains="warm up")
    shutil.copytree(home, kept)
    hold = threading.Event()
    stage.model.script(Reply("the last words", hold=hold), contains="remove it", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("remove it now", chat_id=FORUM, thread_id=SYSTEMS)
    stage.model.wait_chat("remove it now")
    shutil.rmtree(home, ignore_errors=True)
    hold.set()
    stage.telegram.wait_reply(FORUM, SYSTEMS, after=seq, timeout=ANSWER_SECONDS)
    assert stage.ask("all well?", CAREER, contains="all well?").text == "echo: all well?"
    assert len(said(stage, SYSTEMS, seq)) == 1
    shutil.rmtree(home, ignore_errors=True)  # what the worker wrote at its end
    told = stage.ask("who is there?", SYSTEMS, contains="⚠️").text
    assert "'systems'" in told
    shutil.rmtree(home, ignore_errors=True)
    kept.rename(home)
    assert stage.ask("are you back?", SYSTEMS, contains="are you back?").text.endswith("back?")
