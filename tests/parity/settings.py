"""The configurations under which scenarios are played: each means one start of both gateways."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kit import FORUM

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

REACTIONS = Setting("reactions on messages", environ={"TELEGRAM_REACTIONS": "true"})

OVERHEARING = Setting(
    "a group that is overheard",
    extra={
        "require_mention": True,
        "observe_unmentioned_group_messages": True,
        "group_allowed_chats": [str(FORUM)],
        "channel_prompts": {str(FORUM): "Speak as in this channel."},
    },
    environ={"TELEGRAM_GROUP_ALLOWED_CHATS": str(FORUM)},
)
"""Intake is the adapter's, what is kept of it and the channel's prompt the profile's."""
