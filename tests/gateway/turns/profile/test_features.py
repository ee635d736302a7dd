"""What a profile has of its own works in its routed conversations, and nowhere else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.gateway.workers.test_warm import wait_prepared
from tests.kit import FakeModel, FakeTelegram, ModelRequest
from tests.kit.model.directives import tool
from tests.kit.state.belongings import connect, equip, install_browser
from tests.kit.waiting import wait_until


@pytest.fixture(scope="module")
def prepared(short_folder: Path, telegram: FakeTelegram, model: FakeModel) -> Stage:
    return equipped(build_stage(short_folder, telegram, model))


def equipped(stage: Stage) -> Stage:
    career = stage.root.profiles["career"]
    equip(career)
    connect(stage.root.profiles["systems"])
    install_browser(stage.root, career)
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


def mcp_servers(stage: Stage) -> set[int]:
    """Return the processes of MCP servers, and of what Hermes starts them with."""
    return {one.pid for one in stage.gateway.tree() if "server.py" in one.cmdline}


def wait_calm(pids: Iterable[int]) -> None:
    """Wait until processes have stopped working, as a ready worker does that has all it wants."""
    used, deadline = None, time.monotonic() + 120
    while (now := [psutil.Process(pid).cpu_times()[:2] for pid in pids]) != used:
        assert time.monotonic() < deadline, now
        used = now
        time.sleep(0.5)


def serving(stage: Stage) -> int:
    """Return the process that answers a call of an MCP tool."""
    answer = ask(stage, tool("mcp_kit_weigh", thing="feather"), SYSTEMS)
    return int(re.findall(r"pid=([0-9]+)", answer)[-1])


def test_mcp_servers_wait_for_a_message_unless_the_profile_wants_them_ahead(stage: Stage) -> None:
    stage.wait_settled("systems")
    wait_calm(wait_prepared(stage, "systems"))
    assert mcp_servers(stage) == set()
    assert serving(stage)
    stage.root.configure({"hermes_router": {"profiles": {"systems": {"warm": {"mcp": True}}}}})
    ask(stage, "from here on", SYSTEMS)
    stage.wait_settled("systems")
    ready = wait_prepared(stage, "systems")
    wait_until(lambda: mcp_servers(stage), what="no server was started ahead")
    wait_calm({*ready, *mcp_servers(stage)})
    ahead = mcp_servers(stage)
    assert serving(stage) in ahead


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


def test_a_browser_session_ends_with_its_worker(stage: Stage) -> None:
    ask(stage, tool("browser_navigate", url="http://127.0.0.1:9/"))
    calls = [json.loads(line) for line in browser_log(stage).read_text().splitlines()]
    used = [call for call in calls if "--session" in call["arguments"]]
    names = {call["arguments"][call["arguments"].index("--session") + 1] for call in used}
    assert len(names) == 1
    folders = {Path(call["sockets"]).parent for call in used}
    assert all(folder.name.startswith("hermes-router-") for folder in folders)
    assert not any(folder.exists() for folder in folders)
