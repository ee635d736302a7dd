"""The two ways in which a gateway serves topics for profiles: both are only a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kit.roots.homes import HermesRoot
from tests.kit.telegram.types import FORUM


def in_process(
    root: HermesRoot,
    topics: Mapping[int, str],
    chats: Mapping[int, str] | None = None,
    other_bots: Mapping[int, str] | None = None,
) -> None:
    """Let Hermes's own multiplexing gateway serve topics of the forum, without the router.

    `chats` are other chats that are routed as a whole. `other_bots` names topics whose route is for
    the bot of another profile, too: since 0.22 a route is for one bot.
    """
    routes = [
        {
            "name": f"{profile}-{topic}",
            "platform": "telegram",
            "profile": profile,
            "chat_id": str(FORUM),
            "thread_id": str(topic),
        }
        for topic, profile in topics.items()
    ]
    routes += [
        route | {"name": f"{route['name']}-{bot}", "bot_profile": bot}
        for topic, bot in (other_bots or {}).items()
        for route in routes
        if route["thread_id"] == str(topic)
    ]
    routes += [
        {"name": profile, "platform": "telegram", "profile": profile, "chat_id": str(chat)}
        for chat, profile in (chats or {}).items()
    ]
    root.configure({"gateway": {"multiplex_profiles": True, "profile_routes": routes}})


def by_router(
    root: HermesRoot,
    topics: Mapping[int, str],
    settings: Mapping[str, Any] | None = None,
    chats: Mapping[int, str] | None = None,
) -> None:
    """Let hermes-router serve topics of the forum, and whole chats, for profiles.

    ``topics`` and ``chats`` name the profile for each; ``settings`` are merged into
    ``hermes_router`` of the configuration.
    """
    forum = {str(topic): profile for topic, profile in topics.items()}
    whole = {str(chat): profile for chat, profile in (chats or {}).items()}
    root.configure(
        {
            "plugins": {"enabled": [*root.config.get("plugins", {}).get("enabled", []), PLUGIN]},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): forum} | whole}},
        }
    )
    if settings:
        root.configure({"hermes_router": settings})


PLUGIN = "hermes-router"
