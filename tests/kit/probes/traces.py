"""`Traces`: parts of a profile that each write down which processes they run below.

traces = Traces(home)          # before the gateway starts
traces.loop()                  # what a person says to have a prompt come again and again
traces.in_workers()            # {"plugin": 2, "cron job": 1, ...}: how often each part ran there
traces.elsewhere()             # {"MCP server": 1}: and outside any worker
"""

from __future__ import annotations

import itertools
import json
import shlex
import sys

from tests.kit.model.directives import tool
from tests.kit.roots.homes import Home
from tests.kit.state.cron_store import CronStore

_NOTE = """
import json, os, sys
import psutil
def note(kind, pid):
    process = psutil.Process(pid)
    above = [" ".join(each.cmdline()) for each in [process, *process.parents()]]
    with open({folder!r} + "/" + kind, "a") as file:
        file.write(json.dumps(above) + "\\n")
"""
_BELOW_PARENT = "\nif __name__ == '__main__':\n    note(sys.argv[1], os.getppid())\n"
_PLUGIN = "\ndef register(context):\n    note('plugin', os.getpid())\n"
_HOOK = "\ndef handle(event_type, context):\n    note('event hook', os.getpid())\n"
_SERVER = "\nnote('MCP server', os.getppid())\nsys.stdin.read()\n"

KINDS = ("plugin", "event hook", "MCP server", "cron job", "shell hook", "loop")
_GATEWAY = "hermes_cli.main gateway run"
_WORKER = "hermes_router_worker"
"""What the command line of a worker, of its supervisor and of a template holds."""


class Traces:
    """Plants a plugin, an event hook, a shell hook, an MCP server and a due cron job in a home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = home.path / "traces"
        self.folder.mkdir()
        self._note = _NOTE.format(folder=str(self.folder))
        self._plugin()
        self._event_hook()
        server = self.folder / "server.py"
        # It is no MCP server that would ever answer: nobody need wait for it.
        served = {"command": sys.executable, "args": [str(server)], "connect_timeout": 3}
        server.write_text(self._note + _SERVER)
        (self.folder / "note.py").write_text(self._note + _BELOW_PARENT)
        (self.folder / "shell.sh").write_text(f"#!/bin/sh\n{self._noted('shell hook')}\n")
        (self.folder / "shell.sh").chmod(0o755)
        home.configure(
            {
                "plugins": {"enabled": ["traces"]},
                "hooks_auto_accept": True,
                "hooks": {"on_session_start": [{"command": str(self.folder / "shell.sh")}]},
                "mcp_servers": {"traces": served},
                "loops": {"min_interval_seconds": 5},
            }
        )
        CronStore(home.path).add_script("traces", f"{self._noted('cron job')}\n", due=-1)

    def loop(self) -> str:
        """Return what a person says, so that the agent runs a command now and every 5 seconds."""
        return f"/loop 5s --times 99 {tool('terminal', command=self._noted('loop'))}"

    def _noted(self, kind: str) -> str:
        """Return a shell's command that notes what the shell runs below."""
        return shlex.join([sys.executable, str(self.folder / "note.py"), kind])

    def _plugin(self) -> None:
        folder = self.home.path / "plugins" / "traces"
        folder.mkdir(parents=True)
        (folder / "plugin.yaml").write_text("name: traces\nversion: 1.0.0\ndescription: traces\n")
        (folder / "__init__.py").write_text(self._note + _PLUGIN)

    def _event_hook(self) -> None:
        folder = self.home.path / "hooks" / "traces"
        folder.mkdir(parents=True)
        events = "[gateway:startup, session:start, agent:start]"
        (folder / "HOOK.yaml").write_text(f"name: traces\ndescription: traces\nevents: {events}\n")
        (folder / "handler.py").write_text(self._note + _HOOK)

    def in_workers(self) -> dict[str, int]:
        """Return how often each kind of part has run in a worker or below one.

        Counted are its supervisor and its template, too. A kind that did not is left out.
        """
        return self._counted(in_worker=True)

    def elsewhere(self) -> dict[str, int]:
        """Return how often each kind of part has run neither in a worker nor below one.

        That is the gateway's process, or one that the gateway has started or left behind. A kind
        that did not is left out.
        """
        return self._counted(in_worker=False)

    def _counted(self, *, in_worker: bool) -> dict[str, int]:
        counts = {kind: self._runs(kind).count(in_worker) for kind in KINDS}
        return {kind: count for kind, count in counts.items() if count}

    def _runs(self, kind: str) -> list[bool]:
        """Return for each run of a kind of part whether it was in a worker or below one."""
        file = self.folder / kind
        lines = file.read_text().splitlines() if file.exists() else []
        return [_below_worker(json.loads(line)) for line in lines]


def _below_worker(commands: list[str]) -> bool:
    """Say whether a worker is among these processes, which end with the gateway and those above."""
    below_gateway = itertools.takewhile(lambda command: _GATEWAY not in command, commands)
    return any(_WORKER in command for command in below_gateway)
