"""`Traces`: parts of a profile that each write down which process they run in, or below.

traces = Traces(home)          # before the gateway starts
traces.processes()             # {"plugin": {4711}, "event hook": {4711}, "MCP server": {4711}, ...}
"""

from __future__ import annotations

import sys

from tests.kit.roots.homes import Home
from tests.kit.state.cron_store import CronStore

_NOTE = """
import os, pathlib
def note(kind, pid):
    with open({folder!r} + "/" + kind, "a") as file:
        file.write(f"{{pid}}\\n")
"""
_PLUGIN = "\ndef register(context):\n    note('plugin', os.getpid())\n"
_HOOK = "\ndef handle(event_type, context):\n    note('event hook', os.getpid())\n"
_SERVER = "\nimport sys\nnote('MCP server', os.getppid())\nsys.stdin.read()\n"

KINDS = ("plugin", "event hook", "MCP server", "cron job", "shell hook")


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
        server.write_text(self._note + _SERVER)
        shell = f"echo $PPID >> '{self.folder}/shell hook'"
        (self.folder / "shell.sh").write_text(f"#!/bin/sh\n{shell}\n")
        (self.folder / "shell.sh").chmod(0o755)
        home.configure(
            {
                "plugins": {"enabled": ["traces"]},
                "hooks_auto_accept": True,
                "hooks": {"on_session_start": [{"command": str(self.folder / "shell.sh")}]},
                "mcp_servers": {"traces": {"command": sys.executable, "args": [str(server)]}},
            }
        )
        CronStore(home.path).add_script(
            "traces", f"echo $PPID >> '{self.folder}/cron job'\n", due=-1
        )

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

    def processes(self) -> dict[str, set[int]]:
        """Return the ids of the processes in which, or below which, each kind of part has run.

        A kind that has not run is left out.
        """
        return {
            kind: {int(line) for line in file.read_text().split()}
            for kind in KINDS
            if (file := self.folder / kind).exists()
        }
