"""A worker that breaks the protocol, hangs or never starts costs its own turn, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path

import psutil
import pytest

from hermes_router.protocol.messages import PROTOCOL_VERSION
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

HOOK = '''
"""Runs inside the worker, in the place of a worker that went wrong: writes to its pipe."""

import gc
import os

import msgspec

from hermes_router.protocol import messages as msg
from hermes_router_worker.process.connection import Connection

def frame(data):
    return len(data).to_bytes(4, "big") + data

KINDS = {
    "a cut frame": (100).to_bytes(4, "big") + b"abc",
    "an oversized frame": bytes.fromhex("7f000000"),
    "garbage": frame(bytes.fromhex("c1c1")),
    "a second hello of another version": frame(msg.encode(msg.Hello(
        protocol=99, router="9", hermes="9", python="9", pid=os.getpid(), profile="career"))),
    "an unknown op": frame(msgspec.msgpack.encode({"op": "nonsense"})),
    "an answer to nothing": frame(msg.encode(msg.Accepted(event=77))),
}

async def handle(event_type, context):
    for kind, data in KINDS.items():
        if f"send {kind}." in context.get("message", ""):
            link = next(one for one in gc.get_objects() if isinstance(one, Connection))
            os.write(link._writer._fd, data)
            if kind == "a cut frame":
                os._exit(0)
'''

#: Loaded by each Python that has its folder in PYTHONPATH: speaks another protocol in a worker.
OTHER_VERSION = """
import os
if "HERMES_ROUTER_WORKER" in os.environ:
    from hermes_router.protocol import messages
    messages.PROTOCOL_VERSION = 99
"""
OTHER = 51

BAD_FRAMES = {
    "a cut frame": "ended inside a frame",
    "an oversized frame": "a frame of 2130706432 bytes",
    "garbage": "broke the protocol",
    "a second hello of another version": "sent hello in a state in which it is not allowed",
    "an unknown op": "'nonsense'",
    "an answer to nothing": "answered event 77",
}


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    hook = stage.root.profiles["career"].path / "hooks" / "sabotage"
    hook.mkdir(parents=True)
    (hook / "HOOK.yaml").write_text("name: sabotage\ndescription: x\nevents: ['agent:start']\n")
    (hook / "handler.py").write_text(HOOK)
    let_another_version_serve(stage, telegram)
    return stage


def let_another_version_serve(stage: Stage, telegram: FakeTelegram) -> None:
    """Give one profile workers of a router that speaks another version of the protocol."""
    folder = stage.root.base / "another-version"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(OTHER_VERSION)
    stage.root.extra_environ["PYTHONPATH"] = str(folder)
    stage.root.add_profile("other")
    telegram.add_topic(OTHER, "other")
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): {str(OTHER): "other"}}}},
            "hermes_router": {"profiles": {"other": {"env": {"pass": ["PYTHONPATH"]}}}},
        }
    )


def end_line(stage: Stage, profile: str) -> str:
    """Return the end line of the profile's last turn."""
    stage.wait_settled(profile)
    ends = [line for line in stage.worker_log(profile).splitlines() if " end turn=" in line]
    return ends[-1]


def failed(stage: Stage, text: str, topic: int, *, contains: str) -> str:
    """Say something that goes wrong; return the id of the turn from the notice in the topic."""
    told = stage.ask(text, topic, contains=contains)
    assert "send your message again" in told.text
    found = re.search(r"\[(\w{8})\]$", told.text)
    assert found, told.text
    return found[1]


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_a_bad_frame_ends_that_turn_with_a_clear_line(stage: Stage, kind: str) -> None:
    gateway, hold = stage.gateway.pid, threading.Event()
    beside = f"beside {kind}"
    stage.model.script(Reply(f"unharmed {beside}", hold=hold), contains=beside, times=1)
    seq = stage.telegram.seq
    stage.telegram.say(beside, thread_id=SYSTEMS)
    stage.model.wait_chat(beside, timeout=ANSWER_SECONDS)
    try:
        turn = failed(stage, f"send {kind}.", CAREER, contains="stopped unexpectedly")
        line = end_line(stage, "career")
    finally:
        hold.set()
    assert f"turn={turn} " in line
    assert BAD_FRAMES[kind] in line.replace("\\x27", "'").replace("\\x22", '"')
    stage.gateway.wait_log(f"turn {turn} of career", log="errors.log")
    [error] = [line for line in stage.root.log("errors.log").splitlines() if turn in line]
    assert BAD_FRAMES[kind] in error
    stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains=f"unharmed {beside}", after=seq, timeout=ANSWER_SECONDS
    )
    # No model was asked, and Hermes has written the message down, if the worker lived that long.
    kept = "" if kind == "a cut frame" else f"send {kind}.\n\n[Ada] "
    assert stage.ask("and now?", CAREER, contains="and now?").text == f"echo: {kept}and now?"
    assert stage.gateway.running
    assert stage.gateway.pid == gateway


def test_a_worker_of_another_version_is_ended_with_a_clear_line(stage: Stage) -> None:
    told = stage.ask("hello?", OTHER, contains="updated while it ran").text.replace("\\", "")
    assert "hermes gateway restart" in told
    assert "send your message again" not in told
    line = end_line(stage, "other")
    assert f"the worker speaks protocol 99, this gateway {PROTOCOL_VERSION}" in line
    assert "echo: well" in stage.ask("well?", SYSTEMS, contains="well?").text


def test_a_worker_that_hangs_is_ended_in_the_configured_time(stage: Stage) -> None:
    stage.root.configure(
        {"hermes_router": {"profiles": {"systems": {"timeouts": {"silence": 12}}}}}
    )
    hold = threading.Event()
    stage.model.script(Reply("never", hold=hold), contains="hang now", times=1)
    seq = stage.telegram.seq
    try:
        stage.telegram.say("hang now", thread_id=SYSTEMS)
        stage.model.wait_chat("hang now", timeout=ANSWER_SECONDS)
        worker = stage.worker_in_turn("systems")
        tree = [psutil.Process(worker), *psutil.Process(worker).children(recursive=True)]
        os.kill(worker, signal.SIGSTOP)
        assert "echo: all" in stage.ask("all well?", CAREER, contains="all well?").text
        stage.telegram.wait_reply(
            FORUM, SYSTEMS, contains="(silence: 12 s)", after=seq, timeout=ANSWER_SECONDS
        )
    finally:
        hold.set()
    assert "timeouts.silence" in end_line(stage, "systems")
    assert not [process for process in tree if process.is_running()]
    assert stage.ask("and now?", SYSTEMS, contains="and now?").text.startswith("echo:")


def test_a_worker_that_never_gets_ready_is_ended_in_the_configured_time(stage: Stage) -> None:
    profile = stage.root.profiles["systems"]
    stuck_plugin(profile.path / "plugins" / "stuck")
    timeouts = {"hermes_router": {"profiles": {"systems": {"timeouts": {"start": 4}}}}}
    stage.root.configure(timeouts)
    profile.configure({"plugins": {"enabled": ["stuck"]}})
    failed(stage, "are you ready?", SYSTEMS, contains="(start: 4 s)")
    assert "timeouts.start" in end_line(stage, "systems")
    profile.configure({"plugins": None})
    timeouts["hermes_router"]["profiles"]["systems"]["timeouts"]["start"] = 150
    stage.root.configure(timeouts)
    assert "echo: and" in stage.ask("and now?", SYSTEMS, contains="and now?").text


def stuck_plugin(folder: Path) -> None:
    """Make a plugin of Hermes that is never through with being loaded."""
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("name: stuck\nversion: '1'\ndescription: never loaded\n")
    (folder / "__init__.py").write_text(
        "import threading\nthreading.Event().wait()\ndef register(context): pass\n"
    )
