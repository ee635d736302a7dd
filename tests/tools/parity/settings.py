"""The configurations under which scenarios are played: each means one start of both gateways."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kit import FORUM, USER, HermesRoot, Home
from tests.kit.state.belongings import connect, equip, install_browser, plant

_FAKE_STT = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text('what was spoken')"
_FAKE_TTS = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(b'OggS' + bytes(2000))"


@dataclass(frozen=True)
class Setting:
    """What the profile's config.yaml says besides the common part, and the environment."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Of the Telegram platform, on both sides where the adapter is."""
    environ: Mapping[str, str] = field(default_factory=dict)
    furnish: Callable[[HermesRoot, Home], None] = lambda _root, _home: None
    """Gives the profile what else it has, before the gateway starts."""


def _script(folder: Path, name: str, source: str) -> str:
    path = folder / name
    path.write_text(source)
    return f"{sys.executable} {path}"


def speech(folder: Path) -> dict[str, Any]:
    """Return the configuration of a speech recognition and a voice; their programs are written."""
    listen = _script(folder, "listen.py", _FAKE_STT)
    speak = _script(folder, "speak.py", _FAKE_TTS)
    heard: dict[str, Any] = {
        "type": "command",
        "command": f"{listen} {{input_path}} {{output_path}}",
    }
    spoken: dict[str, Any] = {"type": "command", "command": f"{speak} {{output_path}}"}
    spoken |= {"output_format": "ogg", "voice_compatible": True}
    return {
        "stt": {"enabled": True, "provider": "kit", "providers": {"kit": heard}},
        "tts": {"provider": "kit", "providers": {"kit": spoken}},
    }


PLAIN = Setting("as it comes")

STREAMING = Setting(
    "streaming by edits, with tool progress",
    {
        "streaming": {"enabled": True, "transport": "edit", "edit_interval": 0.3},
        "display": {"tool_progress": "all", "interim_assistant_messages": True},
    },
)

DRAFTS = Setting(
    "streaming by drafts",
    {
        "streaming": {"enabled": True, "transport": "auto", "edit_interval": 0.3},
        "display": {"tool_progress": "new", "tool_progress_grouping": "separate"},
    },
)

FIRST_TIME = Setting("tips have not been shown", {"onboarding": {"seen": None}})
QUEUE = Setting("busy: queue", {"display": {"busy_input_mode": "queue"}})
STEER = Setting("busy: steer", {"display": {"busy_input_mode": "steer"}})

NO_QUESTIONS = Setting(
    "no confirmations",
    {
        "approvals": {"destructive_slash_confirm": False},
        "loops": {"min_interval_seconds": 5},
    },
)

RESETS = Setting(
    "sessions that end by themselves",
    {"session_reset": {"mode": "both", "idle_minutes": 50 * 60, "at_hour": 4}},
)

REACTIONS = Setting("reactions on messages", environ={"TELEGRAM_REACTIONS": "true"})

SKILL = "---\nname: of-the-topic\ndescription: A skill.\n---\n\nMind the topic.\n"

OVERHEARING = Setting(
    "a group that is overheard",
    extra={
        "require_mention": True,
        "observe_unmentioned_group_messages": True,
        "group_allowed_chats": [str(FORUM)],
        "channel_prompts": {str(FORUM): "Speak as in this channel."},
        "group_topics": [
            {
                "chat_id": str(FORUM),
                "topics": [
                    {"thread_id": topic, "name": "x", "skill": "of-the-topic"}
                    for topic in range(2_000, 2_400)
                ],
            }
        ],
    },
    environ={"TELEGRAM_GROUP_ALLOWED_CHATS": str(FORUM)},
    furnish=lambda _root, home: _skill(home),
)
"""Intake is the adapter's, what is kept of it, the channel's prompt and skill the profile's."""

COMMANDS = Setting(
    "commands, some of which only admins may give",
    {
        "approvals": {"destructive_slash_confirm": False},
        "quick_commands": {"hi": {"type": "exec", "command": "echo quick-hello"}},
    },
    extra={"group_allow_admin_from": [str(USER)]},
    furnish=lambda _root, home: _skill(home),
)


def _skill(home: Home) -> None:
    plant(home.path / "skills" / "of-the-topic" / "SKILL.md", SKILL)


def _furnish(root: HermesRoot, home: Home) -> None:
    equip(home)
    connect(home)
    install_browser(root, home)


FURNISHED = Setting("a profile that has everything", furnish=_furnish)
