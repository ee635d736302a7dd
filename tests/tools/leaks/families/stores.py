"""Stores: sessions, memory, skills, plugins, toolsets, MCP servers, hooks, delegated work."""

from __future__ import annotations

import re
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.kit.model.directives import tool
from tests.tools.leaks.row import SAME_USER, NotApplicableError, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import ALICE, BOB, CAROL, DEFAULT, DORA, World, plant_file

# -- sessions


def transcripts(side: Side) -> str:
    mark = side.mark()
    side.turn(BOB, f"transcript-{mark}")

    def stored() -> list[str]:
        names = (DEFAULT, ALICE, BOB)
        return [name for name in names if side.messages_in(name, f"transcript-{mark}")]

    if not side.wait(stored, 20):
        side.unsure("the transcript is stored nowhere")
    return ", ".join(f"in {name}'s state.db" for name in stored() if name != BOB)


def search_by_words(side: Side) -> str:
    """Search for words that were said to the launch profile and to alice, and to nobody else."""
    words = {DEFAULT: "quokkadefault", ALICE: "quokkaalice"}
    for name, word in words.items():
        side.turn(name, f"remember {word} well")
    shown = side.calls(BOB, [("session_search", {"query": word}) for word in words.values()])
    leaked = [
        name
        for (name, word), result in zip(words.items(), shown, strict=True)
        if f"remember {word}" in result or f"remember >>>{word}" in result
    ]
    return ", ".join(f"{name}'s conversation" for name in leaked)


def search_by_id(side: Side) -> str:
    """Ask for a conversation by its id, and by its id and its profile.

    Hermes 0.19 looks up an id in every profile, 0.22 only in the one that the agent names.
    """
    side.turn(ALICE, "remember wombatalice well")
    homes = [side.world[name].path for name in (ALICE, DEFAULT)]
    if not side.wait(lambda: any(session_of(home, "wombatalice") for home in homes), 20):
        side.unsure("the conversation is stored nowhere")
    number = next(filter(None, (session_of(home, "wombatalice") for home in homes)))
    asked: list[dict[str, str]] = [{"session_id": number}, {"session_id": number, "profile": ALICE}]
    shown = side.calls(BOB, [("session_search", arguments) for arguments in asked])
    return "alice's conversation" if "remember wombatalice" in str(shown) else ""


def session_of(home: Path, mark: str) -> str:
    """Return the id of a stored session whose messages hold a mark."""
    if not (home / "state.db").exists():
        return ""
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True) as database:
        query = "SELECT session_id FROM messages WHERE content LIKE ?"
        row = database.execute(query, (f"%{mark}%",)).fetchone()
    return str(row[0]) if row else ""


# -- memory


def memory_files(side: Side) -> str:
    mark = side.mark()
    side.call(ALICE, "memory", action="add", target="memory", content=f"memory-{mark}")
    homes = {name: side.world[name].path / "memories" for name in (DEFAULT, ALICE, BOB)}

    def kept() -> list[str]:
        return [
            name
            for name, folder in homes.items()
            if any(f"memory-{mark}" in side.read(path) for path in folder.glob("*.md"))
        ]

    if not side.wait(kept, 10):
        side.unsure("the memory is kept nowhere")
    leaked = [f"in {name}'s memories" for name in kept() if name != ALICE]
    if f"memory-{mark}" in side.turn(BOB, "hello").body.decode():
        leaked.append("in bob's prompt")
    return ", ".join(leaked)


PROVIDER = '''"""A memory provider that says in the prompt whose it is, and where it would write."""
from agent.memory_provider import MemoryProvider

class LeakMemory(MemoryProvider):
    name = "leakmemory"
    def is_available(self):
        return True
    def initialize(self, session_id, **kwargs):
        self.home = kwargs.get("hermes_home", "?")
    def get_tool_schemas(self):
        return []
    def system_prompt_block(self):
        return f"identity-card code={owner} data={{self.home}}."

def register(ctx):
    ctx.register_memory_provider(LeakMemory())
'''


def plant_memory_provider(world: World) -> None:
    for name in (DEFAULT, ALICE, BOB):
        folder = world[name].path / "plugins" / "leakmemory"
        plant_file(folder / "__init__.py", PROVIDER.format(owner=name))
        plant_file(folder / "plugin.yaml", "name: leakmemory\nversion: 1.0.0\ndescription: x\n")
        world[name].configure({"memory": {"provider": "leakmemory"}})


def memory_provider(side: Side) -> str:
    """Look at the prompts of alice, bob, and alice again: the first or the last may win."""
    wrong = []
    for name in (ALICE, BOB, ALICE):
        card = side.turn(name, "hello").system.partition("identity-card ")[2].splitlines()[:1]
        if card != [f"code={name} data={side.world[name].path}."]:
            wrong.append(f"{name} has {_whose(card)}")
    return ", ".join(wrong)


def _whose(card: list[str]) -> str:
    found = re.match(r"code=(\w+) data=.*/(\w+)\.$", card[0]) if card else None
    return f"the code of {found[1]} with the data of {found[2]}" if found else "none"


# -- skills, plugins, toolsets


def plant_skills(world: World) -> None:
    for name in (DEFAULT, ALICE, BOB):
        text = f"---\nname: sk-{name}\ndescription: Of {name}.\n---\n\nSay skill-of-{name}.\n"
        plant_file(world[name].path / "skills" / f"sk-{name}" / "SKILL.md", text)


def skill_commands(side: Side) -> str:
    """Use each profile's skill as a slash command in its own place, then alice's in bob's."""
    wrong = [f"/sk-{name} does not work" for name in (ALICE, BOB) if not _loads(side, name, name)]
    if _loads(side, BOB, ALICE):
        wrong.append("/sk-alice works in bob's place")
    return ", ".join(wrong)


def _loads(side: Side, profile: str, owner: str) -> bool:
    seen = side.model.seq
    side.ask(profile, f"/sk-{owner} now")
    requests = side.model.requests("chat", after=seen)
    return any(f"skill-of-{owner}" in r.body.decode() for r in requests)


def skill_tools(side: Side) -> str:
    shown = side.call(BOB, "skills_list")
    shown += side.call(BOB, "skill_view", name="sk-alice")
    shown += side.call(BOB, "skill_view", name="sk-default")
    return found(shown, "Of alice", "skill-of-alice", "Of default", "skill-of-default")


def same_tool(side: Side) -> str:
    """Call a tool that a plugin of each home has, by the same name."""
    shown = {name: side.call(name, "whose") for name in (ALICE, BOB)}
    shown["alice again"] = side.call(ALICE, "whose")
    return ", ".join(
        f"{name} calls {text[:60]}"
        for name, text in shown.items()
        if f"plugin-of-{name.split()[0]}" not in text
    )


def plant_toolsets(world: World) -> None:
    world[BOB].configure({"agent": {"disabled_toolsets": ["todo"]}})
    world[ALICE].configure({"agent": {"disabled_toolsets": ["clarify"]}})


def toolsets(side: Side) -> str:
    """Look for the tool of the toolset `todo`: `todo`, or `todo_list` since Hermes 0.21."""
    of_alice, of_bob = side.turn(ALICE, "hello").tools, side.turn(BOB, "hello").tools
    leaked, todo = [], {"todo", "todo_list"}
    if todo & set(of_bob):
        leaked.append("a toolset that bob disables is offered to him")
    if not todo & set(of_alice):
        leaked.append("alice lacks what bob disables")
    if "clarify" not in of_bob:
        leaked.append("bob lacks what alice disables")
    return ", ".join(leaked)


# -- MCP

SERVER = """import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    method, result = request["method"], {}
    if method == "initialize":
        result = {"protocolVersion": request["params"]["protocolVersion"],
                  "capabilities": {"tools": {}}, "serverInfo": {"name": "leak", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "whoami", "description": "x",
                             "inputSchema": {"type": "object", "properties": {}}}]}
    elif method == "tools/call":
        login = os.environ.get("MCP_LOGIN", "none")
        result = {"content": [{"type": "text", "text": "login=" + login}]}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


def plant_mcp(world: World) -> None:
    for name in (DEFAULT, CAROL, DORA):
        script = plant_file(world[name].path / "mcp_server.py", SERVER)
        server = {
            "command": sys.executable,
            "args": [str(script)],
            "env": {"MCP_LOGIN": f"mcp-login-of-{name}"},
        }
        world[name].configure({"mcp_servers": {"leakserver": server}})


def mcp_login(side: Side) -> str:
    if find_spec("mcp") is None:
        raise NotApplicableError("the Python package mcp is not installed")
    side.turn(CAROL, "hello")
    offered = [tool for tool in side.turn(DORA, "hello").tools if tool.endswith("whoami")]
    if not offered:
        return "dora's MCP server is not there"
    shown = side.call(DORA, offered[0])
    if "mcp-login-of-dora" in shown:
        return ""
    return found(shown, "mcp-login-of-carol", "mcp-login-of-default") or f"dora gets {shown[:80]}"


# -- hooks

DENY = """#!/bin/sh
echo '{"decision": "block", "reason": "denied-by-bob"}'
"""
WITNESS = """from pathlib import Path

async def handle(event_type, context):
    with Path({seen!r}).open("a") as seen:
        seen.write(f"{{event_type}} {{context.get('message')}}\\n")
"""


def plant_hooks(world: World) -> None:
    script = plant_file(world[BOB].path / "deny.sh", DENY, 0o755)
    hook = {"matcher": "search_files", "command": str(script)}
    world[BOB].configure({"hooks": {"pre_tool_call": [hook]}, "hooks_auto_accept": True})
    for name in (DEFAULT, BOB):
        folder = world[name].path / "hooks" / "witness"
        plant_file(folder / "HOOK.yaml", "name: witness\ndescription: x\nevents: [agent:start]\n")
        seen = world[name].path / "hook-seen"
        plant_file(folder / "handler.py", WITNESS.format(seen=str(seen)))


def deny_hook(side: Side) -> str:
    shown = side.call(BOB, "search_files", pattern="x", path=".")
    return "" if "denied-by-bob" in shown else "bob's deny hook does not run"


def event_hook(side: Side) -> str:
    mark = side.mark()
    side.turn(BOB, f"witnessed-{mark}")
    seen = {name: side.world[name].path / "hook-seen" for name in (DEFAULT, BOB)}
    leaked = []
    if f"witnessed-{mark}" in side.read(seen[DEFAULT]):
        leaked.append("the launch profile's hook gets bob's message")
    if not side.wait(lambda: f"witnessed-{mark}" in side.read(seen[BOB]), 5):
        leaked.append("bob's own hook does not run")
    return ", ".join(leaked)


# -- delegated and threaded work

_THREAD = """
import threading
from hermes_constants import get_hermes_home
seen = []
thread = threading.Thread(target=lambda: seen.append(str(get_hermes_home())))
thread.start(); thread.join()
result = "home:" + seen[0]
"""


def bare_thread(side: Side) -> str:
    shown = side.inside(BOB, _THREAD)
    if "home:" not in shown:
        side.unsure(shown)
    return "" if str(side.world[BOB].path) in shown else "a thread of bob's turn works for another"


def delegated_child(side: Side) -> str:
    """Let a child agent ask in which home it works, and look at what its request carries."""
    mark, seen = side.mark(), side.model.seq
    code = "from hermes_constants import get_hermes_home; result = f'child:{get_hermes_home()}!'"
    goal = f"child {mark} {tool('inside', code=code)}"
    side.call(BOB, "delegate_task", goal=goal)

    def ended() -> list[str]:
        requests = side.model.requests("chat", after=seen)
        return [r.tool_results[-1] for r in requests if r.tool_results and "child:" in str(r.body)]

    if not side.wait(lambda: any("child:/" in text for text in ended()), 60):
        side.unsure(f"the child did not answer: {side.model.listing(seen)}")
    requests = side.model.requests("chat", after=seen)
    keys = {r.api_key for r in requests} - {"key-of-bob"}
    wrong = [f"the child asks with {key}" for key in sorted(keys)]
    if not any(f"child:{side.world[BOB].path}!" in text for text in ended()):
        wrong.append("the child works in another home")
    return ", ".join(wrong)


ROWS = (
    Row(
        key="S1",
        what="a transcript in another profile's session store",
        probe=transcripts,
        upstream=(66887, 87723, 88532, 80635),
        leaked_until="0.19",
    ),
    Row(
        key="S1s",
        what="`session_search` finds another profile's conversation",
        probe=search_by_words,
        upstream=(66887, 87723),
        leaked_until="0.19",
    ),
    Row(
        key="S4",
        what="`session_search` by id and profile of another profile's conversation",
        probe=search_by_id,
        upstream=(65693,),
        by_design=SAME_USER,
    ),
    Row(
        key="S5",
        what="a memory in another profile's files or prompt",
        probe=memory_files,
        upstream=(69123, 108319),
        unseen="Hermes looks up the folder of memories for each call",
    ),
    Row(
        key="S5p",
        what="one memory provider for all profiles",
        plant=plant_memory_provider,
        probe=memory_provider,
        upstream=(965, 1011, 69123),
        leaked_until="0.19",
    ),
    Row(
        key="S7",
        what="skills as slash commands of another profile",
        plant=plant_skills,
        probe=skill_commands,
        upstream=(67277, 95388, 110695, 81640),
        leaked_until="0.19",
    ),
    Row(
        key="S7t",
        what="skills of another profile in `skills_list`, `skill_view`",
        probe=skill_tools,
        upstream=(67277,),
        unseen="Hermes looks up the folder of skills for each call",
    ),
    Row(
        key="S8",
        what="another profile's plugin tool of the same name",
        probe=same_tool,
        upstream=(65593, 73352, 112759, 117703),
        leaked_until="0.19",
    ),
    Row(
        key="S9",
        what="toolsets of another profile",
        plant=plant_toolsets,
        probe=toolsets,
        upstream=(106005, 91415),
        unseen="Hermes remembers tools by the configuration that they were made for",
    ),
    Row(
        key="S10",
        what="an MCP server of the same name with another profile's login",
        plant=plant_mcp,
        probe=mcp_login,
        upstream=(67605, 95518, 105396, 91654),
        leaked_until="0.19",
    ),
    Row(
        key="S11",
        what="a profile's own deny hook is not asked",
        plant=plant_hooks,
        probe=deny_hook,
        upstream=(92672, 111878),
        leaked_until="0.19",
    ),
    Row(
        key="S11e",
        what="another profile's event hook gets the messages",
        probe=event_hook,
        upstream=(56508,),
        leaked_until="0.19",
    ),
    Row(
        key="S13",
        what="a thread of a turn works in another profile's home",
        probe=bare_thread,
        upstream=(111617, 78400, 108708),
    ),
    Row(
        key="S13d",
        what="a delegated child works as another profile",
        probe=delegated_child,
        upstream=(111617,),
        leaked_until="0.19",
    ),
)
