"""All scenarios; importing this enters them."""

from tests.parity.scenarios import busy, media_in, media_out, prompts, state, streaming

__all__ = ["busy", "media_in", "media_out", "prompts", "state", "streaming"]
