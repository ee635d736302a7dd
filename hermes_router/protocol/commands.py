"""The slash commands that act on the gateway itself, which both sides must know."""

from __future__ import annotations

#: Commands that the gateway executes, in every conversation and for every person. A worker refuses
#: them: they come to it only by a name that the profile gave them.
GATEWAY_COMMANDS = frozenset({"restart", "update", "platform", "pause"})
