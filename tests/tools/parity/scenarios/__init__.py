"""All scenarios; importing this enters them."""

from tests.tools.parity.scenarios import (
    busy,
    commands,
    continuity,
    features,
    media_in,
    media_out,
    prompts,
    since_020,
    state,
    streaming,
)

__all__ = [
    "busy",
    "commands",
    "continuity",
    "features",
    "media_in",
    "media_out",
    "prompts",
    "since_020",
    "state",
    "streaming",
]
