"""Check whether the gateway has a bot on each platform that has routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.base.errors import ConfigError
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import environment_of
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.config.yaml import load, plain_value
from hermes_router.profiles.env_file import dotenv_names

#: For each platform, the variable with the bot's token.
TOKENS = {
    "telegram": "TELEGRAM_BOT_TOKEN",
    "discord": "DISCORD_BOT_TOKEN",
    "slack": "SLACK_BOT_TOKEN",
    "mattermost": "MATTERMOST_TOKEN",
    "matrix": "MATRIX_ACCESS_TOKEN",
}


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield a warning for each routed platform without a bot, as far as can be seen from here."""
    import os  # noqa: PLC0415 - for this only

    if loaded.config is None:
        return
    set_here = {name for name, is_set in dotenv_names(loaded.home.path / ".env").items() if is_set}
    set_here |= environment_of(loaded.gateway).keys() if loaded.gateway else os.environ.keys()
    configured = sections(loaded.home.config)
    for platform in sorted({route.platform for route in loaded.config.table.routes}):
        name = TOKENS.get(platform)
        if name and name not in set_here and not _has_token(configured.get(platform)):
            yield Finding(
                check="platform-bot",
                severity="warning",
                what=f"there is no bot for {platform}: {name} is not set",
                where=str(loaded.home.path / ".env"),
                mend=loaded.home.hermes("gateway setup"),
            )


def values_of(file: Path) -> dict[str, str]:
    """Return the variables that a ``.env`` file sets."""
    import dotenv  # noqa: PLC0415 - slow

    return {name: value or "" for name, value in dotenv.dotenv_values(file).items()}


def sections(file: Path) -> dict[str, Any]:
    """Return each platform's section of the configuration, from wherever Hermes reads it."""
    try:
        node = load(file)
    except (ConfigError, OSError):
        return {}
    values = plain_value(node) if node is not None else {}
    values = values if isinstance(values, dict) else {}
    gateway = values.get("gateway")
    found: dict[str, Any] = {}
    for place in (values, values.get("platforms"), gateway):
        found |= place if isinstance(place, dict) else {}
    more = gateway.get("platforms") if isinstance(gateway, dict) else None
    return found | (more if isinstance(more, dict) else {})


def _has_token(section: Any) -> bool:
    if not isinstance(section, dict):
        return False
    return any(
        bool(value) if "token" in str(key) else _has_token(value) for key, value in section.items()
    )
