"""Bounds of prepared processes: nothing of a turn in them, no unsafe fork, no old secret."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage
from tests.gateway.workers.test_warm import template_of, turns, wait_prepared, was_prepared
from tests.kit import FORUM, FakeModel, FakeTelegram, Home
from tests.kit.model.directives import tool
from tests.kit.state.belongings import plant
from tests.kit.waiting import wait_until

THREADED, CONNECTED, SLOW, VAULT = 41, 42, 43, 44
PROFILES = {THREADED: "threaded", CONNECTED: "connected", SLOW: "slow", VAULT: "vault"}

#: Longer than any turn here may take, and than Hermes itself waits for a server.
SLOW_SECONDS = 100

#: Longer than a busy machine takes to prepare a process: one that is too old when it is ready is
#: prepared again and again.
MAX_AGE = 40.0

MARKING_PLUGIN = """
import json, os, socket, threading
from pathlib import Path

KEPT = []
SCHEMA = {
    "name": "kit_mark",
    "description": "Leave marks in the process, or look for them.",
    "parameters": {"type": "object", "properties": {"leave": {"type": "boolean"}}},
}


def leave():
    KEPT.append(socket.socket())
    os.environ["LEFT_BY_A_TOOL"] = "1"
    left = Path(os.environ["HERMES_HOME"], "left-open")
    left.write_text("x")
    KEPT.append(left.open())
    threading.Thread(target=threading.Event().wait, name="left-waiting").start()
    os.chdir("/")


def look():
    opened = []
    for one in os.listdir("/proc/self/fd"):
        try:
            opened.append(os.readlink("/proc/self/fd/" + one))
        except OSError:
            pass
    return {
        "memory": len(KEPT),
        "env": os.environ.get("LEFT_BY_A_TOOL", ""),
        "open": sum("left-open" in name for name in opened),
        "threads": sum(one.name == "left-waiting" for one in threading.enumerate()),
        "cwd": os.getcwd(),
        "pid": os.getpid(),
    }


def mark(arguments, **_more):
    if arguments.get("leave"):
        leave()
    return "marks" + json.dumps(look()) + "."


def register(ctx):
    ctx.register_tool(name="kit_mark", toolset="kit", schema=SCHEMA, handler=mark)
"""

THREADED_PLUGIN = """
import threading

threading.Thread(target=threading.Event().wait, name="begun-by-a-plugin", daemon=True).start()


def register(ctx):
    pass
"""

CONNECTED_PLUGIN = """
import socket

CONNECTION = socket.socket()


def register(ctx):
    pass
"""

SLOW_SERVER = """
import os, sys, time
from pathlib import Path

Path(sys.argv[1], "server-began").write_text(str(os.getpid()))
time.sleep({seconds})
Path(sys.argv[1], "server-answers").touch()
try:
    from mcp.server.fastmcp import FastMCP
except ImportError:  # mcp 2
    from mcp.server import MCPServer as FastMCP

server = FastMCP("late")


@server.tool()
def weigh(thing: str) -> str:
    "Weigh a thing."
    return "7"


server.run()
"""

OP = """#!/bin/sh
cat {secret}
"""


def give_plugin(home: Home, source: str) -> None:
    plant(home.path / "plugins" / "kit" / "plugin.yaml", "name: kit\nversion: 1.0.0\n")
    plant(home.path / "plugins" / "kit" / "__init__.py", source)
    home.configure({"plugins": {"enabled": ["kit"]}})


def give_slow_server(home: Home) -> None:
    server = plant(home.path / "server.py", SLOW_SERVER.format(seconds=SLOW_SECONDS))
    command = {"command": sys.executable, "args": [str(server), str(home.path)]}
    home.configure({"mcp_servers": {"late": command}})


def secret_of(home: Home) -> Path:
    return home.path / "the-secret"


def give_secret_helper(home: Home) -> None:
    """Have Hermes ask a password manager for a secret; it stands in for the program ``op``."""
    secret = plant(secret_of(home), "first-word\n")
    helper = plant(home.path / "op", OP.format(secret=secret), 0o755)
    source = {"enabled": True, "binary_path": str(helper), "cache_ttl_seconds": 0}
    source["env"] = {"VAULT_WORD": "op://kit/word/value"}
    home.configure({"secrets": {"onepassword": source}})


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    for topic, name in PROFILES.items():
        stage.root.add_profile(name)
        telegram.add_topic(topic, name)
    routes = {str(topic): name for topic, name in PROFILES.items()}
    profiles = {"vault": {"warm": {"max_age": MAX_AGE}}, "systems": {"warm": {"enabled": False}}}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"profiles": profiles, "warm_budget": {"profiles": 8}},
        }
    )
    give_plugin(stage.root.profiles["career"], MARKING_PLUGIN)
    give_plugin(stage.root.profiles["threaded"], THREADED_PLUGIN)
    give_plugin(stage.root.profiles["connected"], CONNECTED_PLUGIN)
    give_slow_server(stage.root.profiles["slow"])
    give_secret_helper(stage.root.profiles["vault"])
    return stage


def marks(stage: Stage, *, leave: bool) -> dict[str, Any]:
    """Have the plugin's tool look around in the process of a turn."""
    asked = tool("kit_mark", leave=leave)
    answer = stage.ask(asked, CAREER, contains="marks").text
    found = answer.replace("\\", "").partition("marks")[2].partition("}")[0] + "}"
    seen: dict[str, Any] = json.loads(found)
    return seen


def test_what_a_tool_leaves_in_its_process_is_not_in_the_next_turns(stage: Stage) -> None:
    workspace = str(stage.root.profiles["career"].path / "workspace")
    wait_prepared(stage)
    first = marks(stage, leave=True)
    assert was_prepared(stage, "career")
    left = {"memory": 2, "env": "1", "open": 1, "threads": 1, "cwd": "/"}
    assert first == left | {"pid": first["pid"]}
    assert not psutil.pid_exists(first["pid"])
    wait_prepared(stage)
    second = marks(stage, leave=False)
    assert was_prepared(stage, "career")
    nothing = {"memory": 0, "env": "", "open": 0, "threads": 0, "cwd": workspace}
    assert second == nothing | {"pid": second["pid"]}
    assert second["pid"] != first["pid"]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (THREADED, "threads are running: MainThread, begun-by-a-plugin"),
        (CONNECTED, "descriptors are open: "),
    ],
)
def test_a_profile_whose_plugin_forbids_to_fork_is_served_cold_and_told_why(
    stage: Stage, topic: int, reason: str
) -> None:
    profile = PROFILES[topic]
    stage.ask("once", topic, contains="once")
    said = f"workers cannot be prepared, so they start cold: {reason}"
    wait_until(lambda: said in stage.worker_log(profile), 120)
    wait_until(lambda: f"the template may not fork: {reason}" in stage.gateway.log_text(), 120)
    stage.ask("twice", topic, contains="twice")
    assert [turn.start for turn in turns(stage, profile)] == ["cold", "cold"]


def test_a_slow_mcp_server_does_not_keep_a_turn_waiting(stage: Stage) -> None:
    home = stage.root.profiles["slow"].path
    seen = stage.model.seq
    stage.telegram.say("who is there?", thread_id=SLOW)
    request = stage.model.wait_chat("who is there?", timeout=ANSWER_SECONDS, after=seen)
    assert (home / "server-began").exists()
    assert not (home / "server-answers").exists()
    assert not [name for name in request.tools if "weigh" in name]
    stage.wait_settled("slow")
    wait_until(lambda: not psutil.pid_exists(int((home / "server-began").read_text())), 30)


def test_a_secret_that_a_helper_gave_is_no_older_than_allowed(stage: Stage) -> None:
    say = '[[tool terminal {"command": "echo word=$VAULT_WORD"}]]'
    assert "word=first-word" in stage.ask(say, VAULT, contains="word=").text
    stage.wait_settled("vault")
    before = template_of(wait_prepared(stage, "vault"))
    secret_of(stage.root.profiles["vault"]).write_text("second-word\n")
    begun = psutil.Process(before).create_time()
    wait_until(lambda: time.time() > begun + MAX_AGE + 1, 2 * MAX_AGE)
    assert "word=second-word" in stage.ask(say, VAULT, contains="word=").text
    stage.wait_settled("vault")
    wait_until(lambda: not psutil.pid_exists(before), 120)
