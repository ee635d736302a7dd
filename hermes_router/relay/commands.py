"""The table of Hermes's slash commands: which process executes each in a routed conversation.

A test fails if the installed Hermes has a command or an alias that is not in the table. A command
that is not in it belongs to the profile, and its worker executes it: a skill, a command of the
profile's plugins, or a quick command of its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Acts(Enum):
    """The process that executes a command."""

    GATEWAY = "in the gateway's process, which executes it whoever types it and wherever"
    WORKER = "in a worker of the profile, on the profile and on the session"
    BOTH = "in either, as the reason says"
    NOWHERE = "in no chat: Hermes has it for terminals; the worker answers as Hermes does"


class Command(NamedTuple):
    """One slash command of Hermes.

    ``acts`` is the process that executes it, ``why`` the reason, ``aliases`` its other names.
    """

    acts: Acts
    why: str
    aliases: tuple[str, ...] = ()


GATEWAY, WORKER, BOTH, NOWHERE = Acts
_TERMINAL = "Hermes offers it in a terminal only."
_SESSION = "Acts on the session, which is the profile's."
_SETTING = "Changes the session or the profile's configuration."
_RECURRING = "The prompt is one of the session's; a worker of the session repeats it."

COMMANDS: Mapping[str, Command] = {
    # the session
    "start": Command(WORKER, "A platform's ping; Hermes does not answer it."),
    "new": Command(WORKER, _SESSION, ("reset",)),
    "topic": Command(WORKER, "Topics of a private chat are kept in the profile's database."),
    "retry": Command(WORKER, _SESSION),
    "undo": Command(WORKER, _SESSION),
    "title": Command(WORKER, _SESSION),
    "branch": Command(WORKER, _SESSION, ("fork",)),
    "compress": Command(WORKER, _SESSION, ("compact",)),
    "rollback": Command(WORKER, "Checkpoints lie in the profile's home."),
    "stop": Command(WORKER, "Interrupts the session's turn, which runs in the worker."),
    "approve": Command(WORKER, "Who waits for it is the worker."),
    "deny": Command(WORKER, "Who waits for it is the worker."),
    "background": Command(WORKER, "The prompt runs as the profile."),
    "bg": Command(WORKER, "The prompt runs as the profile."),
    "btw": Command(WORKER, "The side question runs as the profile."),
    "agents": Command(
        WORKER,
        "The gateway's list would show other profiles' sessions and commands.",
        ("tasks",),
    ),
    "queue": Command(WORKER, _SESSION, ("q",)),
    "steer": Command(WORKER, _SESSION, ("s",)),
    "goal": Command(WORKER, _SESSION),
    "moa": Command(WORKER, _SESSION),
    "subgoal": Command(WORKER, _SESSION),
    "heartbeat": Command(WORKER, _RECURRING, ("hb",)),
    "loop": Command(WORKER, _RECURRING, ("proactive",)),
    "plan": Command(WORKER, "The plan is written in the profile's workspace."),
    "init": Command(WORKER, "The repository is the one in the profile's workspace."),
    "review": Command(WORKER, _SESSION),
    "refine": Command(WORKER, "Memory and skills are the profile's."),
    "context": Command(WORKER, _SESSION, ("ctx",)),
    "diff": Command(WORKER, "The working directory is the profile's."),
    "save": Command(WORKER, "The conversation is written in the profile's home."),
    "status": Command(WORKER, _SESSION),
    "resume": Command(WORKER, "Sessions are the profile's."),
    "sessions": Command(WORKER, "Sessions are the profile's."),
    "sethome": Command(WORKER, "The home channel is the profile's.", ("set-home",)),
    # settings
    "model": Command(WORKER, _SETTING),
    "codex-runtime": Command(WORKER, _SETTING, ("codex_runtime",)),
    "personality": Command(WORKER, _SETTING),
    "verbose": Command(WORKER, _SETTING),
    "footer": Command(WORKER, _SETTING),
    "yolo": Command(WORKER, _SETTING),
    "reasoning": Command(WORKER, _SETTING),
    "fast": Command(WORKER, _SETTING),
    "voice": Command(WORKER, _SETTING),
    "busy": Command(WORKER, _SETTING),
    "approvals": Command(WORKER, _SETTING),
    # tools and skills
    "skills": Command(WORKER, "Skills are the profile's."),
    "memory": Command(WORKER, "Memory is the profile's."),
    "bundles": Command(WORKER, "Skills are the profile's."),
    "learn": Command(WORKER, "Skills are the profile's."),
    "suggestions": Command(WORKER, "Automations are the profile's.", ("suggest",)),
    "blueprint": Command(WORKER, "Automations are the profile's.", ("bp",)),
    "curator": Command(WORKER, "Skills are the profile's."),
    "kanban": Command(WORKER, "The board is all profiles'; who acts on it is the profile."),
    "reload-mcp": Command(WORKER, "MCP servers are the profile's.", ("reload_mcp",)),
    "reload-skills": Command(WORKER, "Skills are the profile's.", ("reload_skills",)),
    # information
    "whoami": Command(BOTH, "The gateway's access rules if it has any here, else the profile's."),
    "profile": Command(WORKER, "Names the profile that serves the conversation."),
    "commands": Command(WORKER, "Skills and plugin commands are the profile's."),
    "help": Command(WORKER, "Skills and plugin commands are the profile's."),
    "usage": Command(WORKER, "Counts the session's tokens and the profile's limits."),
    "egress": Command(WORKER, "The proxy is that of the profile's containers."),
    "login": Command(WORKER, "The account is the profile's."),
    "topup": Command(WORKER, "The account is the one that the profile is logged in with."),
    "insights": Command(WORKER, "Looks into the profile's database."),
    "version": Command(WORKER, "One installation serves all.", ("v",)),
    "debug": Command(WORKER, "Sends the profile's logs, nobody else's."),
    # the gateway
    "restart": Command(GATEWAY, "Restarts the gateway."),
    "update": Command(GATEWAY, "Updates the installation and restarts the gateway."),
    "platform": Command(GATEWAY, "Platforms are connected in the gateway."),
    "pause": Command(GATEWAY, "The emergency stop is everybody's: a part of it would be none."),
    # terminals
    "clear": Command(NOWHERE, _TERMINAL),
    "redraw": Command(NOWHERE, _TERMINAL),
    "history": Command(NOWHERE, _TERMINAL),
    "prompt": Command(NOWHERE, _TERMINAL, ("compose",)),
    "handoff": Command(NOWHERE, _TERMINAL),
    "snapshot": Command(NOWHERE, _TERMINAL, ("snap",)),
    "journey": Command(NOWHERE, _TERMINAL, ("learning", "memory-graph")),
    "config": Command(NOWHERE, _TERMINAL),
    "statusbar": Command(NOWHERE, _TERMINAL, ("sb",)),
    "timestamps": Command(NOWHERE, _TERMINAL, ("ts",)),
    "skin": Command(NOWHERE, _TERMINAL),
    "indicator": Command(NOWHERE, _TERMINAL),
    "tools": Command(NOWHERE, _TERMINAL),
    "toolsets": Command(NOWHERE, _TERMINAL),
    "pet": Command(NOWHERE, _TERMINAL),
    "hatch": Command(NOWHERE, _TERMINAL, ("generate-pet",)),
    "cron": Command(NOWHERE, _TERMINAL),
    "reload": Command(NOWHERE, _TERMINAL),
    "browser": Command(NOWHERE, _TERMINAL),
    "plugins": Command(NOWHERE, _TERMINAL),
    "subscription": Command(NOWHERE, _TERMINAL, ("upgrade",)),
    "platforms": Command(NOWHERE, _TERMINAL, ("gateway",)),
    "copy": Command(NOWHERE, _TERMINAL),
    "paste": Command(NOWHERE, _TERMINAL),
    "image": Command(NOWHERE, _TERMINAL),
    "quit": Command(NOWHERE, _TERMINAL, ("exit",)),
    "worktree": Command(NOWHERE, _TERMINAL),
    "export": Command(NOWHERE, _TERMINAL),
    "import": Command(NOWHERE, _TERMINAL),
    "battery": Command(NOWHERE, _TERMINAL),
    "focus": Command(NOWHERE, _TERMINAL),
    "wake": Command(NOWHERE, _TERMINAL),
    "palette": Command(NOWHERE, _TERMINAL),
}

#: Commands for which the worker asks a model, or which only prepare a prompt for it.
_WITH_MODEL = frozenset(
    (
        *("retry", "compress", "background", "bg", "btw", "queue", "steer", "goal", "moa", "loop"),
        *("plan", "init", "review", "refine", "learn", "blueprint", "curator"),
    )
)

#: Commands that a worker answers without a model. They do not wait for other turns.
WITHOUT_MODEL = (
    frozenset(name for name, command in COMMANDS.items() if command.acts in {WORKER, BOTH})
    - _WITH_MODEL
)

#: Commands that change what the session is or holds. They stay behind the session's own messages.
IN_ORDER = frozenset({"undo", "branch", "rollback", "resume", "topic", "save"})

#: Commands that also take back the session's messages that wait for their turn.
TAKES_BACK = frozenset({"stop", "new"})
