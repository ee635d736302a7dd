"""The tools with which a model sends: Hermes's own if this version has one, else the router's."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements

NAME = "send_message"
_TOOLSET = "hermes_router"

#: How the tool is described to a model; its function and its parameters are Hermes's.
SCHEMA: dict[str, Any] = {
    "name": NAME,
    "description": (
        "Send a message to a conversation of this profile, or put a reaction on one. With action "
        "'list' it lists the conversations by name: ask for them first when the user names a "
        "channel or a person. A platform alone means the conversation that you are in, or the "
        "home channel if you are in none there."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "action": {
                "type": "string",
                "enum": ["send", "list", "react", "unreact"],
                "description": "What to do; 'send' if it is left out.",
            },
            "target": {
                "type": "string",
                "description": (
                    "Where to: 'platform', 'platform:chat_id', 'platform:chat_id:thread_id' or "
                    "'platform:name' with a name from the list. For example 'telegram', "
                    "'telegram:-1001234567890:17' or 'discord:#plans'."
                ),
            },
            "message": {
                "type": "string",
                "description": "The text. 'MEDIA:/path/of/a/file' in it sends that file too.",
            },
            "emoji": {"type": "string", "description": "For 'react': the emoji."},
            "message_id": {
                "type": "string",
                "description": "For 'react' and 'unreact': which one; without, the last.",
            },
        },
        "required": [],
    },
}

#: Sends a reaction. Arguments: place, emoji (None removes the reaction), message id (None for the
#: last message).
React = Callable[[msg.Place, str | None, str | None], Any]


def serve(react: React, explicit: Callable[[Any], str]) -> None:
    """Have Hermes's function behind the tool ``send_message`` send and react by the gateway.

    ``explicit`` returns a target with a place in it. ``react`` sets a reaction, or removes it.
    """
    tool: Any = importlib.import_module("tools.send_message_tool")

    def serving(original: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(original)
        def send_message_tool(args: Mapping[str, Any], **options: Any) -> str:
            args = dict(args) | {"target": explicit(args.get("target"))}
            if args.get("action") in {"react", "unreact"}:
                return _react(tool, args, react)
            return original(args, **options)

        return send_message_tool

    replacements.SEND_MESSAGE.replace(serving, anew=True)


def _react(tool: Any, args: Mapping[str, Any], react: React) -> str:
    remove = args["action"] == "unreact"
    emoji = str(args.get("emoji") or "").strip()
    if not remove and not emoji:
        return str(tool.tool_error("'emoji' is required when action='react'"))
    place = _place_of(tool, args["target"])
    if place is None:
        return str(tool.tool_error("'target' names no conversation that is known here"))
    number = str(args.get("message_id") or "").strip() or None
    run = importlib.import_module("model_tools")._run_async
    return json.dumps(run(react(place, None if remove else emoji, number)))


def _place_of(tool: Any, target: str) -> msg.Place | None:
    platform, _, reference = target.partition(":")
    platform = platform.strip().lower()
    resolve = getattr(tool, "resolve_send_target", None)
    if resolve is not None:
        chat, thread, _ = resolve(platform, reference) if reference else (None, None, None)
        return msg.Place(platform=platform, chat_id=chat, thread_id=thread) if chat else None
    chat, thread, _ = tool._parse_target_ref(platform, reference)
    if not chat and reference:
        resolve = importlib.import_module("gateway.channel_directory").resolve_channel_name
        found = resolve(platform, reference)
        chat, thread, _ = tool._parse_target_ref(platform, found) if found else (None, None, None)
    return msg.Place(platform=platform, chat_id=chat, thread_id=thread) if chat else None


def offer() -> None:
    """Offer the tool ``send_message`` to the model, unless this Hermes or a plugin offers it.

    The tool's function is Hermes's own, which Hermes itself does not register. The tool has its own
    toolset, so that ``hermes tools`` can switch it off like a plugin's.
    """
    engine: Any = importlib.import_module("tools.send_message_tool")
    registry = importlib.import_module("tools.registry").registry
    manager = importlib.import_module("hermes_cli.plugins").get_plugin_manager()
    if registry.get_entry(NAME) is not None:
        return

    def handler(args: Mapping[str, Any], **options: Any) -> str:
        return str(engine.send_message_tool(args, **options))  # the one that is there now

    registry.register(
        name=NAME,
        toolset=_TOOLSET,
        schema=SCHEMA,
        handler=handler,
        description="send to a conversation of this profile",
        emoji="📨",
    )
    manager._plugin_tool_names.add(NAME)
