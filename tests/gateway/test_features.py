"""What a profile has of its own works in its routed conversations, and nowhere else."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FakeModel, FakeTelegram, Home, ModelRequest

PLUGIN = """
import os

SCHEMA = {
    "name": "kit_reverse",
    "description": "Reverse a text.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
}


def reverse(arguments, **_more):
    home = os.path.basename(os.environ["HERMES_HOME"])
    return '{"reversed": "%s", "by": "%s"}' % (arguments["text"][::-1], home)


def register(ctx):
    ctx.register_tool(name="kit_reverse", toolset="kit", schema=SCHEMA, handler=reverse)
"""

MCP_SERVER = """
import os

from mcp.server.fastmcp import FastMCP

server = FastMCP("kit")


@server.tool()
def weigh(thing: str) -> str:
    "Weigh a thing."
    return f"{thing} weighs {len(thing)}, says {os.environ['WHOSE']} in {os.getcwd()}"


server.run()
"""

DENY = """
import json, sys

asked = json.load(sys.stdin)
if "forbidden" in json.dumps(asked["tool_input"]):
    print(json.dumps({"decision": "block", "reason": "denied-by-the-profile"}))
"""

WITNESS = """
import os
from pathlib import Path

HOME = Path(os.environ["HERMES_HOME"])


async def handle(event_type, context):
    with (HOME / "witnessed").open("a") as seen:
        seen.write(f"{event_type} {HOME.name} {context.get('message', '')}\\n")
"""

BROWSER = """#!{python}
import json, os, sys

with open({seen!r}, "a") as seen:
    seen.write(json.dumps({{"arguments": sys.argv[1:], "sockets": os.environ.get(
        "AGENT_BROWSER_SOCKET_DIR", ""), "home": os.environ.get("HOME")}}) + "\\n")
if "--version" in sys.argv:
    print("agent-browser 0.30.0")
else:
    print(json.dumps({{"success": True, "data": {{"url": "about:kit", "title": "A page"}}}}))
"""


def plant(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def tool(name: str, **arguments: Any) -> str:
    return f"[[tool {name} {json.dumps(arguments)}]]"


def equip(home: Home) -> None:
    """Give a profile one of each thing."""
    plant(home.path / "plugins" / "kit" / "plugin.yaml", "name: kit\nversion: 1.0.0\n")
    plant(home.path / "plugins" / "kit" / "__init__.py", PLUGIN)
    plant(home.path / "hooks" / "witness" / "handler.py", WITNESS)
    plant(
        home.path / "hooks" / "witness" / "HOOK.yaml",
        "name: witness\ndescription: x\nevents: [session:start, agent:start, agent:end]\n",
    )
    skill = "---\nname: kit-skill\ndescription: How to weigh.\n---\n\nUse the scales-of-career.\n"
    plant(home.path / "skills" / "kit-skill" / "SKILL.md", skill)
    deny = plant(home.path / "deny.py", DENY)
    hook = {"matcher": "terminal", "command": f"{sys.executable} {deny}"}
    home.configure(
        {
            "plugins": {"enabled": ["kit"]},
            "approvals": {"mode": "off", "destructive_slash_confirm": False},
            "hooks_auto_accept": True,
            "hooks": {"pre_tool_call": [hook]},
            "agent": {"personalities": {"pirate": "Talk like a pirate of career."}},
        }
    )


def connect(home: Home) -> None:
    """Give a profile a real MCP server."""
    command = {
        "command": sys.executable,
        "args": [str(plant(home.path / "server.py", MCP_SERVER))],
        "env": {"WHOSE": f"the server of {home.name}"},
    }
    home.configure({"mcp_servers": {"kit": command}})


@pytest.fixture(scope="module")
def prepared(telegram: FakeTelegram, model: FakeModel) -> Iterator[Stage]:
    base = Path(tempfile.mkdtemp(prefix="hr-"))  # short: code talks over a Unix socket below it
    try:
        yield equipped(build_stage(base, telegram, model))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def equipped(stage: Stage) -> Stage:
    career = stage.root.profiles["career"]
    equip(career)
    connect(stage.root.profiles["systems"])
    folder = stage.root.base / "bin"
    text = BROWSER.format(python=sys.executable, seen=str(browser_log(stage)))
    browser = plant(folder / "agent-browser", text, 0o755)
    career.env({"AGENT_BROWSER_EXECUTABLE_PATH": str(browser)})
    path = stage.root.gateway_environ()["PATH"]
    stage.root.extra_environ["PATH"] = os.pathsep.join([str(folder), path])
    return stage


def browser_log(stage: Stage) -> Path:
    return stage.root.base / "browser.log"


def ask(stage: Stage, text: str, topic: int = CAREER) -> str:
    """Say something in a topic, and return the answer when its worker is gone."""
    answer = stage.ask(text, topic, contains="tool said" if "[[tool" in text else "").text
    stage.wait_settled("career" if topic == CAREER else "systems")
    return answer


def request_of(stage: Stage, text: str, topic: int = CAREER) -> ModelRequest:
    """Say something and return the model's first request for it."""
    seen = stage.model.seq
    ask(stage, text, topic)
    return stage.model.wait_chat(text, timeout=ANSWER_SECONDS, after=seen)


def test_a_plugins_tool_is_the_profiles(stage: Stage) -> None:
    answer = ask(stage, tool("kit_reverse", text="drawer"))
    assert "reward" in answer
    assert '"by": "career"' in answer


def test_a_real_mcp_server_of_the_profile_answers(stage: Stage) -> None:
    request = request_of(stage, "what can you do?", SYSTEMS)
    (name,) = [tool for tool in request.tools if tool.endswith("weigh")]
    answer = ask(stage, tool(name, thing="feather"), SYSTEMS)
    assert "feather weighs 7, says the server of systems" in answer
    assert not [name for name in request.tools if "kit_reverse" in name]
    assert "kit-skill" not in request.system


def test_a_shell_hook_denies_and_lets_through(stage: Stage) -> None:
    assert "denied-by-the-profile" in ask(stage, tool("terminal", command="echo forbidden-fruit"))
    assert "allowed-fruit" in ask(stage, tool("terminal", command="echo allowed-fruit"))


def test_event_hooks_run_once_for_each_event_in_the_profiles_process(stage: Stage) -> None:
    home = stage.root.profiles["career"].path
    ask(stage, "witnessed-once")
    seen = (home / "witnessed").read_text().splitlines()
    about = [line.split(" ")[:2] for line in seen if "witnessed-once" in line]
    assert about == [["agent:start", "career"], ["agent:end", "career"]]
    assert not [line for line in seen if " career " not in line]
    assert sum(line.startswith("session:start career") for line in seen) == 1


def test_a_skill_is_in_the_prompt_and_its_command_loads_it(stage: Stage) -> None:
    request = request_of(stage, "which skills?")
    assert "kit-skill" in request.system
    assert not [name for name in request.tools if "weigh" in name]  # another profile's server
    seen = stage.model.seq
    stage.telegram.say("/kit-skill now", thread_id=CAREER)
    stage.model.wait_chat("scales-of-career", timeout=ANSWER_SECONDS, after=seen)
    stage.wait_settled("career")


def test_a_personality_lasts_from_turn_to_turn(stage: Stage) -> None:
    assert "pirate" in ask(stage, "/personality pirate")
    assert "Talk like a pirate of career." in request_of(stage, "ahoy").system
    ask(stage, "/personality none")
    assert "Talk like a pirate" not in request_of(stage, "no more").system


def test_memory_lands_in_the_profile_and_is_in_its_next_conversation(stage: Stage) -> None:
    ask(stage, tool("memory", action="add", target="memory", content="The tide is high."))
    ask(stage, tool("memory", action="add", target="user", content="Ada likes tea."))
    memories = stage.root.profiles["career"].path / "memories"
    assert "The tide is high." in (memories / "MEMORY.md").read_text()
    assert "Ada likes tea." in (memories / "USER.md").read_text()
    for home in (stage.root, stage.root.profiles["systems"]):
        kept = [path.read_text() for path in (home.path / "memories").glob("*.md")]
        assert not [text for text in kept if "tide" in text or "tea" in text]
    stage.ask("/new", CAREER)
    stage.wait_settled("career")
    system = request_of(stage, "what do you remember?").system
    assert "The tide is high." in system
    assert "Ada likes tea." in system


def test_a_subagent_is_the_profiles(stage: Stage) -> None:
    seen = stage.model.seq
    goal = "look around " + tool("terminal", command="echo child-at=$PWD of=$HERMES_HOME.")
    home = stage.root.profiles["career"].path
    there = f"child-at={home / 'workspace'} of={home}."
    stage.ask(tool("delegate_task", goal=goal), CAREER, contains=there)
    stage.wait_settled("career")
    asked = [r for r in stage.model.requests("chat", after=seen) if "look around" in r.last_user]
    child = next(r for r in asked if "delegate_task" not in r.last_user)
    assert (child.model, child.api_key) == ("career-model", "career-key")


def test_code_is_executed_as_the_profile_with_its_tools(stage: Stage) -> None:
    code = "import os\nfrom hermes_tools import terminal\nprint('in', os.environ.get('HOME'))\n"
    code += "print(terminal('echo called-from-code $MARK')['output'])"
    answer = ask(stage, tool("execute_code", code=code))
    assert "called-from-code" in answer
    assert f"in {stage.root.profiles['career'].path / 'home'}" in answer


def test_a_browser_session_is_named_for_its_profile(stage: Stage) -> None:
    ask(stage, tool("browser_navigate", url="http://127.0.0.1:9/"))
    calls = [json.loads(line) for line in browser_log(stage).read_text().splitlines()]
    used = [call for call in calls if "--session" in call["arguments"]]
    names = {call["arguments"][call["arguments"].index("--session") + 1] for call in used}
    assert len(names) == 1
    assert re.fullmatch(r"h_career_[0-9a-f]{6}", names.pop())
    folders = {Path(call["sockets"]).parent for call in used}
    assert all(folder.name.startswith("hermes-router-") for folder in folders)
    assert not any(folder.exists() for folder in folders)  # it ended with its worker
