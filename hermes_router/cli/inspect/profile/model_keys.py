"""Which variables a profile's ``config.yaml`` takes the key of its model from, and if they are set.

Hermes reads a variable that ``key_env`` (or ``api_key_env``) names, or that ``${NAME}`` stands for.
For an own server (``provider: custom``) it reads those of the section ``model``, for a named one
those of its entry below ``providers`` or ``custom_providers``. If the variable is not set, it sends
a placeholder instead of a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_NAMES_A_VARIABLE = ("key_env", "api_key_env")
#: Providers for which Hermes reads the section ``model`` itself: servers of the user.
_OWN_SERVER = frozenset(
    {"custom", "local", "ollama", "vllm", "llamacpp", "llama.cpp", "llama-cpp"},
)

IsSet = Callable[[str], bool]


def has_key(value: Any, is_set: IsSet) -> bool:
    """Return True if a section of the configuration holds a key, or names a variable that is set.

    ``is_set`` says of a variable's name whether a worker gets a value of it.
    """
    if isinstance(value, list):
        return any(has_key(item, is_set) for item in value)
    if not isinstance(value, dict):
        return False
    return _own_key(value, is_set) or any(has_key(item, is_set) for item in value.values())


def unset(values: Mapping[str, Any], provider: str | None, is_set: IsSet) -> str | None:
    """Return the variable that should hold the key of the chosen provider, but is not set.

    None if the configuration names no variable, or if it has a key besides.
    """
    for entry in _in_use(values, (provider or "").strip().lower()):
        names = list(_variables(entry))
        if names and not entry.get("key_cmd") and not _own_key(entry, is_set):
            return names[0]
    return None


def _own_key(entry: Mapping[str, Any], is_set: IsSet) -> bool:
    key = entry.get("api_key")
    literal = bool(key) and _reference(key) is None
    return literal or any(is_set(name) for name in _variables(entry))


def _variables(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the variables from which Hermes takes an entry's key."""
    name = next((entry[key] for key in _NAMES_A_VARIABLE if entry.get(key)), None)
    if isinstance(name, str):
        yield name.strip()
    referred = _reference(entry.get("api_key"))
    if referred:
        yield referred


def _reference(value: Any) -> str | None:
    """Return the variable that ``${NAME}`` or ``${env:NAME}`` stands for; None for another text."""
    if not isinstance(value, str) or not (value.startswith("${") and value.endswith("}")):
        return None
    return value[2:-1].strip().removeprefix("env:").strip()


def _in_use(values: Mapping[str, Any], provider: str) -> Iterator[Mapping[str, Any]]:
    """Yield the entry that Hermes takes the key of ``provider`` from, if it takes it from one."""
    wanted = _plain(provider.removeprefix("custom:"))
    for entry, names in _named(values):
        if wanted and wanted in map(_plain, names):
            yield entry
            return
    model = values.get("model")
    if provider in _OWN_SERVER and isinstance(model, dict) and model.get("base_url"):
        yield model


def _named(values: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yield each entry for a named provider with its names."""
    providers, listed = values.get("providers"), values.get("custom_providers")
    for key, entry in providers.items() if isinstance(providers, dict) else ():
        if isinstance(entry, dict) and entry.get("enabled") is not False:
            yield entry, [str(key), str(entry.get("name") or key)]
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict):
            yield entry, [str(entry.get("name") or ""), str(entry.get("provider_key") or "")]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "-")
