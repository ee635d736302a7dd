"""What differs between two configurations, by name: a reload logs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hermes_router.config.model import RouterConfig
from hermes_router.routing.table import Route

#: How many lines a reload logs at most: a new file may differ in everything.
_MOST = 50

#: Settings that apply to all profiles together.
_FOR_ALL = (
    *("unmatched", "missing_profile", "routes_file"),
    *("warm_budget", "turn_budget", "metrics", "schedule"),
)

_Flat = dict[str, Any]


def changes(old: RouterConfig, new: RouterConfig) -> list[str]:
    """Return a line for people about each route and each setting that differs, at most 51 lines.

    The gateway logs them when it has read an edited file. If there are more, the last line says how
    many.
    """
    lines = [*_routes(old, new), *_settings(old, new)]
    if len(lines) > _MOST:
        return [*lines[:_MOST], f"and {len(lines) - _MOST} more changes"]
    return lines


def _routes(old: RouterConfig, new: RouterConfig) -> Iterator[str]:
    before, after = _by_place(old), _by_place(new)
    for place in before.keys() - after.keys():
        yield f"route removed: {place} -> {_target(before[place])}"
    for place, route in after.items():
        if place not in before:
            yield f"route added: {place} -> {_target(route)}"
        elif _target(before[place]) != _target(route):
            yield f"route changed: {place} -> {_target(route)}, was {_target(before[place])}"


def _by_place(config: RouterConfig) -> dict[str, Route]:
    return {_place(route): route for route in config.table.routes}


def _place(route: Route) -> str:
    place = ":".join(filter(None, (route.platform, route.chat_id, route.thread_id)))
    named = (("guild", route.guild_id), ("user", route.user_id), ("bot of", route.bot_profile))
    for name, value in named:
        place += f" {name} {value}" if value else ""
    return place


def _target(route: Route) -> str:
    return route.profile if route.enabled else f"{route.profile} (disabled)"


def _settings(old: RouterConfig, new: RouterConfig) -> Iterator[str]:
    for name in _FOR_ALL:
        yield from _differing(_flat(getattr(old, name), name), _flat(getattr(new, name), name))
    defaults = list(_differing(_flat(old.defaults, "defaults"), _flat(new.defaults, "defaults")))
    yield from defaults
    told = {line.removeprefix("defaults.") for line in defaults}
    for profile in sorted({*old.profiles, *new.profiles}):
        path = f"profiles.{profile}"
        before, after = old.settings(profile), new.settings(profile)
        for line in _differing(_flat(before, path), _flat(after, path)):
            if line.removeprefix(f"{path}.") not in told:
                yield line


def _differing(old: _Flat, new: _Flat) -> Iterator[str]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield f"{key}: {_shown(after)}, was {_shown(before)}"


def _flat(value: Any, path: str) -> _Flat:
    plain = msgspec.to_builtins(value, enc_hook=str)
    if not isinstance(plain, Mapping):
        return {path: plain}
    found: _Flat = {}
    for key, inner in plain.items():
        found |= _flat(inner, f"{path}.{key}")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return "nothing" if value is None else str(value)
