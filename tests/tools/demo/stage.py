"""What the demo plays with: the places, the profiles, the routes, and what the model says.

The model is a fake that repeats what it really was given: the result of the tool call that it asked
for, and the names that the conversation sent to it holds. It cannot know anything else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tests.kit import (
    DEFAULT_KEY,
    FORUM,
    USER,
    FakeModel,
    FakeTelegram,
    HermesRoot,
    ModelRequest,
    Reply,
    ToolCall,
)
from tests.kit.model.types import text_of

WHERE = "Where do you run?"
WHO = "Who am I?"
_COMMAND = 'echo "pid=$PPID"; echo "HOME=$HOME"; echo "cwd=$(pwd)"'


@dataclass(frozen=True, slots=True)
class Place:
    """A place to write in, who must answer there, and what the user is called there."""

    label: str
    chat_id: int
    thread_id: int | None
    profile: str
    name: str

    @property
    def routed(self) -> bool:
        """Whether a route leads to another profile than the gateway's own."""
        return self.profile != "default"


PLACES = (
    Place("#career", FORUM, 6, "career", "Heron"),
    Place("#systems", FORUM, 13, "systems", "Otter"),
    Place("#lounge", FORUM, 20, "default", "Robin"),
    Place("direct message", USER, None, "default", "Badger"),
)

MODELS = {"default": "kit-model", "career": "career-model", "systems": "systems-model"}
KEYS = {"default": DEFAULT_KEY, "career": "career-key", "systems": "systems-key"}


def build(base: Path, telegram: FakeTelegram, model: FakeModel) -> HermesRoot:
    """Write a Hermes root with three profiles, two routes and the plugin switched on."""
    root = HermesRoot(base, telegram=telegram, model=model)
    for profile in ("career", "systems"):
        root.add_profile(profile, model=MODELS[profile], api_key=KEYS[profile])
    routes = {str(p.thread_id): p.profile for p in PLACES if p.routed}
    root.configure(
        {
            "plugins": {"enabled": ["hermes-router"]},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
        }
    )
    for place in PLACES:
        if place.thread_id is not None:
            telegram.add_topic(place.thread_id, place.label)
    model.script(_say_where, contains=WHERE)
    model.script(_say_who, contains=WHO)
    return root


def _say_where(request: ModelRequest) -> Reply:
    """Ask for the terminal, then repeat what it printed."""
    if not request.tool_results:
        return Reply(tool_calls=(ToolCall("terminal", {"command": _COMMAND}),))
    try:
        output = str(json.loads(request.tool_results[-1])["output"])
    except (ValueError, KeyError, TypeError):
        output = request.tool_results[-1]
    return Reply(f"My terminal says:\n{output.strip()}")


def _say_who(request: ModelRequest) -> Reply:
    """Name everybody that the conversation which reached the model names."""
    users = (text_of(m) for m in request.messages if m.get("role") == "user")
    names = re.findall(r"Call me (\w+)", "\n".join(users))
    return Reply(f"You are {' and '.join(names) or 'nobody that I know'}.")
