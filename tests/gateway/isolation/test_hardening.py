"""Hardening of real workers, seen by the real tools of another profile of the same user."""

from __future__ import annotations

import threading

import psutil
import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.roots import ordinary_user

OBSTACLE = ordinary_user.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {"hermes_router": {"profiles": {"systems": {"hardening": {"no_new_privs": False}}}}}
    )
    stage.root.profiles["systems"].configure({"approvals": {"mode": "off"}})
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


def test_another_profiles_tool_reads_no_worker(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("done", hold=hold), contains="take your time", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("take your time", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("take your time")
    supervisor, worker = _in_turn(stage)
    try:
        said = stage.run(
            f"for p in {supervisor} {worker}; do kill -0 $p && echo alive-$p; "
            "cat /proc/$p/environ && echo OPEN; cat /proc/$p/maps && echo OPEN; "
            "ls /proc/$p/fd && echo OPEN; done; cat /proc/self/environ > /dev/null && echo legible",
            SYSTEMS,
        )
    finally:
        hold.set()
    stage.telegram.wait_reply(FORUM, CAREER, contains="done", after=seq, timeout=150)
    assert f"alive-{supervisor}" in said
    assert f"alive-{worker}" in said
    assert said.count("Permission denied") == 6, said
    assert "OPEN" not in said
    assert "legible" in said


def _in_turn(stage: Stage) -> tuple[int, int]:
    """Return the supervisor and the worker of the turn that waits for the model."""
    worker = stage.worker_in_turn("career")
    return psutil.Process(worker).ppid(), worker


def test_privileges_are_given_up_unless_the_profile_keeps_them(stage: Stage) -> None:
    assert "NoNewPrivs:1" in stage.run("grep NoNewPrivs /proc/self/status | tr -d '\\t'", CAREER)
    assert "NoNewPrivs:0" in stage.run("grep NoNewPrivs /proc/self/status | tr -d '\\t'", SYSTEMS)


def test_the_refusal_names_the_setting(stage: Stage) -> None:
    refusal = 'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.'
    said = stage.run(f"echo '{refusal}'", CAREER)
    assert "hermes_router.profiles.career.hardening.no_new_privs: false" in said
    assert "hardening" not in stage.run(f"echo '{refusal}'", SYSTEMS)


def test_what_a_worker_and_its_tools_create_is_closed_to_other_users(stage: Stage) -> None:
    said = stage.run("umask; mkdir made; touch made/file; stat -c %a made made/file", CAREER)
    assert "0077" in said
    assert "700" in said
    assert "600" in said
