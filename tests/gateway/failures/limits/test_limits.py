"""A worker that crosses a limit is ended and named; the others, and the gateway, go on.

The gateway runs as an ordinary user: root is bound by few limits. Every script bounds itself too,
so that a limit that does not hold costs a test and not the machine.
"""

from __future__ import annotations

import os
import threading

import psutil
import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.model.directives import tool
from tests.kit.roots import ordinary_user
from tests.kit.waiting import wait_until

OBSTACLE = ordinary_user.obstacle()
SANDBOX_OBSTACLE = launchers.check("bubblewrap")
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")

KIDS = UNROUTED
NARROW = (41, 42)
MARK = f"limits-{os.getpid()}"  # another run of these tests has its own
LIMITS = {
    "memory_bytes": 900_000_000,  # a worker of Hermes 0.22 uses more, and sixty forks of a script
    "cpu_seconds": 15,  # a worker that starts cold on a busy machine needs half of it
    "processes": 60,
    "open_files": 256,
    "output_bytes": 2_000_000,
}

# What a script of the profile does; ulimit stands behind the limit that is tested.
SCRIPTS = {
    "memory_bytes": "x = []\nwhile True: x.append(b'x' * 10_000_000)",
    "processes": "while True:\n try: os.fork()\n except OSError: time.sleep(0.1)",
    "cpu_seconds": "os.fork()\nwhile True: pass",
    "open_files": "x = [open('/dev/null') for _ in range(100_000)]",
}
SAFE = """import os, resource, sys, time
for name, most in {"AS": 4 << 30, "NPROC": 2000, "CPU": 60}.items():
    kind = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
"""
PLUGIN = """
import os

def shout(args, **_):
    for _ in range(200_000):  # 800 MB
        os.write(2, b"x" * 4095 + b"\\n")
    return "shouted"

def register(ctx):
    ctx.register_tool("shout", "noise", {
        "name": "shout", "description": "shouts", "parameters": {"type": "object", "properties": {}}
    }, shout)
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    kids = stage.root.add_profile("kids", model="kids-model", api_key="kids-key")
    settings = {"career": {"limits": LIMITS}, "kids": {"limits": LIMITS}}
    stage.root.add_profile("narrow")
    settings["narrow"] = {"limits": {"concurrent_turns": 1, "queue": 0}}
    if SANDBOX_OBSTACLE is None:
        settings["kids"] |= {"launcher": "bubblewrap"}  # type: ignore[dict-item]
    topics = {str(KIDS): "kids"} | {str(topic): "narrow" for topic in NARROW}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): topics}}},
            "hermes_router": {"profiles": settings},
        }
    )
    for profile in (stage.root.profiles["career"], kids):
        approvals = {"mode": "off", "destructive_slash_confirm": False}
        profile.configure({"approvals": approvals, "plugins": {"enabled": ["noise"]}})
        # From 0.22 on a model finds a plugin's tool by a search, unless that is off.
        profile.configure({"tools": {"tool_search": {"enabled": "off"}}})
        folder = profile.path / "plugins" / "noise"
        folder.mkdir(parents=True)
        (folder / "plugin.yaml").write_text("name: noise\nversion: 1.0.0\ndescription: noise\n")
        (folder / "__init__.py").write_text(PLUGIN)
        for name, script in SCRIPTS.items():
            (profile.path / "workspace" / f"{name}.py").write_text(SAFE + script)
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


def do(limit: str) -> str:
    """Return the message by which the profile's agent runs the script of a limit."""
    command = f"python3 {limit}.py {MARK}"
    return tool("terminal", command=command)


def scripts() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if MARK in (p.info["cmdline"] or [])]


def cross(stage: Stage, said: str, limit: str, *, thread: int, profile: str) -> str:
    """Have a limit crossed while another profile answers; return what the people are told."""
    others: list[str] = []

    def talk() -> None:
        words = ("all well?", "and still?")
        others.extend(stage.ask(word, SYSTEMS, contains=word).text for word in words)

    beside = threading.Thread(target=talk)
    seq = stage.telegram.seq
    stage.telegram.say(said, chat_id=FORUM, thread_id=thread)
    beside.start()
    try:
        told = stage.telegram.wait_reply(
            FORUM, thread, contains=f"limits.{limit}", after=seq, timeout=150
        ).text
    finally:
        beside.join(320)
    assert others == ["echo: all well?", "echo: and still?"]
    assert stage.gateway.running
    wait_until(lambda: not scripts(), 120, "something of the tree is left")
    stage.wait_settled(profile)
    # Hermes 0.22 asks the model a message that was cut off again, together with the next one.
    stage.ask("/new", thread)
    return told


WHERE = [
    pytest.param("career", CAREER, id="local"),
    pytest.param(
        "kids",
        KIDS,
        id="bubblewrap",
        marks=pytest.mark.skipif(
            SANDBOX_OBSTACLE is not None, reason=f"NOT SHOWN: {SANDBOX_OBSTACLE}"
        ),
    ),
]


@pytest.mark.parametrize(("profile", "thread"), WHERE)
@pytest.mark.parametrize("limit", ["memory_bytes", "processes", "cpu_seconds"])
def test_a_tree_that_crosses_a_limit_is_ended_and_the_limit_is_named(
    stage: Stage, profile: str, thread: int, limit: str
) -> None:
    told = cross(stage, do(limit), limit, thread=thread, profile=profile)
    assert f"(limits.{limit}: {LIMITS[limit]}) and was ended. Please send your message" in told
    log = stage.worker_log(profile)
    assert f"hermes-router limit limit={limit} allowed={LIMITS[limit]} used=" in log
    assert f'failure="the worker exceeded limits.{limit}, {LIMITS[limit]}"' in log
    stage.gateway.wait_log(f"the worker exceeded limits.{limit}", timeout=150, log="agent.log")
    stage.ask("still there?", thread, contains="still there?")


@pytest.mark.parametrize(("profile", "thread"), WHERE)
def test_a_flood_of_prints_ends_before_it_fills_the_disk(
    stage: Stage, profile: str, thread: int
) -> None:
    before = len(stage.worker_log(profile))
    told = cross(stage, "[[tool shout {}]]", "output_bytes", thread=thread, profile=profile)
    assert "wrote more than its limit allows" in told
    assert len(stage.worker_log(profile)) - before < LIMITS["output_bytes"] + 100_000


@pytest.mark.parametrize(("profile", "thread"), WHERE)
def test_a_program_that_opens_too_many_files_fails_and_the_limit_is_named(
    stage: Stage, profile: str, thread: int
) -> None:
    seq = stage.telegram.seq
    told = cross(stage, do("open_files"), "open_files", thread=thread, profile=profile)
    assert "could not open more files (limits.open_files: 256)" in told
    said = stage.telegram.wait_reply(FORUM, thread, contains="tool said", after=seq, timeout=150)
    assert "Too many open files" in said.text  # the turn itself went on


def test_a_message_too_many_is_refused_and_the_limit_is_named(stage: Stage) -> None:
    first, second = NARROW
    hold = threading.Event()
    stage.model.script(Reply("done", hold=hold), contains="the first of many", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("the first of many", chat_id=FORUM, thread_id=first)
    try:
        stage.model.wait_chat("the first of many")
        told = stage.ask("one too many", second, contains="limits.queue").text
    finally:
        hold.set()
    assert told.startswith(
        "⚠️ Too many messages are waiting (limits.queue: 0): 1 are ahead of yours. "
        "Please try again later. ["
    )
    stage.gateway.wait_log("profile narrow: too many messages wait", timeout=150, log="agent.log")
    stage.telegram.wait_reply(FORUM, first, contains="done", after=seq, timeout=150)


def test_the_gateway_would_be_the_last_to_go_when_memory_runs_out(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("done", hold=hold), contains="wait for it", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("wait for it", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("wait for it")
    try:
        worker = stage.worker_in_turn("career")
        supervisor = psutil.Process(worker).ppid()
        scores = [_oom_score(pid) for pid in (worker, supervisor)]
    finally:
        hold.set()
    stage.telegram.wait_reply(FORUM, CAREER, contains="done", after=seq, timeout=150)
    assert min(scores) >= 500 > _oom_score(stage.gateway.pid)


def _oom_score(pid: int) -> int:
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read())
