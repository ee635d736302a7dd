"""Check that this Hermes has every function that the router needs.

The check runs when the swap is installed. If one is missing, routing is closed and the log names
it. A router that works only in part would answer somebody as the wrong profile.
"""

from __future__ import annotations

from types import ModuleType

from hermes_router.hermes.compat.replacing import patches, patching

#: Methods of ``GatewayRunner`` that the router calls.
RUNNER_METHODS = (
    "_is_user_authorized",
    "_session_key_for_source",
    "_thread_metadata_for_source",
    "_reply_anchor_for_event",
)


def missing(module: ModuleType) -> list[str]:
    """Return the names of the integration points that this Hermes does not have."""
    runner = getattr(module, "GatewayRunner", None)
    if runner is None:
        return ["gateway.run.GatewayRunner"]
    return patching.missing(patches.required()) + [
        f"GatewayRunner.{name}"
        for name in RUNNER_METHODS
        if not callable(getattr(runner, name, None))
    ]
