"""A short value that is the same for configurations with the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from hermes_router.config.model import RouterConfig
from hermes_router.routing.table import Route

#: The fields of a route that count: all but its name and where it is written.
_SAID = tuple(
    field
    for field in Route.__struct_fields__
    if field not in {"name", "file", "line", "column", "path"}
)


def digest(config: RouterConfig) -> str:
    """Return 16 hexadecimal digits that are the same for configurations with the same content.

    Commands compare with it whether the running gateway uses the file as it is now. Comments, the
    names of routes, and the order of routes do not count.
    """
    routes = sorted(
        [str(getattr(route, name) or "") for name in _SAID] for route in config.table.routes
    )
    settings = [
        config.gateway_profile,
        config.unmatched,
        config.missing_profile,
        config.warm_budget,
        config.turn_budget,
        config.metrics,
        config.schedule,
        config.defaults,
        dict(config.profiles),
    ]
    plain = msgspec.to_builtins([routes, settings], enc_hook=_plain)
    encoded = msgspec.json.encode(plain, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
