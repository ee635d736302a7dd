"""What a profile may have of its own: a plugin, hooks, a skill, an MCP server, a browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.kit.roots.homes import HermesRoot, Home

_PLUGIN = """
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

_MCP_SERVER = """
import os

try:
    from mcp.server.fastmcp import FastMCP
except ImportError:  # mcp 2
    from mcp.server import MCPServer as FastMCP

server = FastMCP("kit")


@server.tool()
def weigh(thing: str) -> str:
    "Weigh a thing."
    whose, where = os.environ["WHOSE"], os.getcwd()
    return f"{thing} weighs {len(thing)}, says {whose} in {where}; pid={os.getpid()}"


server.run()
"""

_DENY = """
import json, sys

asked = json.load(sys.stdin)
if "forbidden" in json.dumps(asked["tool_input"]):
    print(json.dumps({"decision": "block", "reason": "denied-by-the-profile"}))
"""

_WITNESS = """
import os
from pathlib import Path

HOME = Path(os.environ["HERMES_HOME"])


async def handle(event_type, context):
    with (HOME / "witnessed").open("a") as seen:
        seen.write(f"{event_type} {HOME.name} {context.get('message', '')}\\n")
"""

_BROWSER = """#!{python}
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
    """Write a file with these permissions; make its folders if needed. Returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def equip(home: Home) -> None:
    """Give a profile a plugin with a tool, an event hook, a skill, a shell hook and a personality.

    The shell hook refuses a terminal command that contains ``forbidden``. The event hook appends
    what it sees to ``witnessed`` in the home.
    """
    plant(home.path / "plugins" / "kit" / "plugin.yaml", "name: kit\nversion: 1.0.0\n")
    plant(home.path / "plugins" / "kit" / "__init__.py", _PLUGIN)
    plant(home.path / "hooks" / "witness" / "handler.py", _WITNESS)
    plant(
        home.path / "hooks" / "witness" / "HOOK.yaml",
        "name: witness\ndescription: x\nevents: [session:start, agent:start, agent:end]\n",
    )
    skill = "---\nname: kit-skill\ndescription: How to weigh.\n---\n\nUse the scales-of-career.\n"
    plant(home.path / "skills" / "kit-skill" / "SKILL.md", skill)
    deny = plant(home.path / "deny.py", _DENY)
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
    """Give a profile an MCP server with the tool ``weigh``, which says whose server it is."""
    command = {
        "command": sys.executable,
        "args": [str(plant(home.path / "server.py", _MCP_SERVER))],
        "env": {"WHOSE": f"the server of {home.name}"},
    }
    home.configure({"mcp_servers": {"kit": command}})


def install_browser(root: HermesRoot, home: Home) -> Path:
    """Give a profile a program that stands for the browser; return the file that lists its calls.

    Each line of the file is a JSON object with the arguments and a part of the environment.
    """
    folder, seen = root.base / "bin", root.base / "browser.log"
    text = _BROWSER.format(python=sys.executable, seen=str(seen))
    home.configure({"browser": {"backend": "off"}})  # Hermes 0.22 has another program for it, too
    home.env({"AGENT_BROWSER_EXECUTABLE_PATH": str(plant(folder / "agent-browser", text, 0o755))})
    path = root.gateway_environ()["PATH"]
    root.extra_environ["PATH"] = os.pathsep.join([str(folder), path])
    return seen
