"""A plugin that notes each agent that Hermes builds for a conversation, and its notes."""

from __future__ import annotations

from typing import NamedTuple

from tests.kit.roots.homes import Home

_NAME, _NOTES = "noting-agents", "agents"
_SOURCE = f"""
import os
import pathlib
import run_agent

NOTES = pathlib.Path(__file__).with_name("{_NOTES}")
INIT = run_agent.AIAgent.__init__


def noted(self, *args, **kwargs):
    INIT(self, *args, **kwargs)
    if kwargs.get("session_id"):
        with NOTES.open("a") as notes:
            notes.write(f"{{os.getpid()}} {{kwargs['session_id']}}\\n")


def register(ctx):
    run_agent.AIAgent.__init__ = noted
"""


class BuiltAgent(NamedTuple):
    """An agent that Hermes has built: the id of its process, and the id of its session."""

    pid: int
    session: str


def note_agents(home: Home) -> None:
    """Have Hermes note the agents that it builds in this home from its next start on."""
    home.add_plugin(_NAME, _SOURCE)


def built_agents(home: Home) -> list[BuiltAgent]:
    """Return the agents that were built in this home, the first one first."""
    notes = home.path / "plugins" / _NAME / _NOTES
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [BuiltAgent(int(pid), session) for pid, session in map(str.split, lines)]
