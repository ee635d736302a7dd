"""Ask the provider about its models in advance, so that a turn need not wait for the answer."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any


def ask_provider() -> None:
    """Ask the provider about its models; Hermes keeps the answer for some minutes.

    A template and each waiting worker call it, because a template's answers grow old. Hermes
    remembers the kind of a custom endpoint's server only if it knows that kind. This function also
    stores that a kind is unknown, once the endpoint has answered.

    Raises:
        Exception: whatever Hermes raises, for example without a login; the turn asks again.
    """
    from agent import model_metadata as metadata
    from gateway.run import _resolve_runtime_agent_kwargs

    runtime = _resolve_runtime_agent_kwargs()
    address, key = runtime.get("base_url"), runtime.get("api_key")
    if runtime.get("provider") == "openrouter":
        metadata.fetch_model_metadata()
    if runtime.get("provider") != "custom" or not address:
        return
    key = key if isinstance(key, str) else ""
    unknown = _note_kind(metadata, address, key)
    if not metadata.fetch_endpoint_model_metadata(address, api_key=key) and unknown:
        metadata._endpoint_probe_path_cache.pop(unknown, None)
        return
    # Hermes 0.21 and later remember an answer per key, but ask for prices without a key.
    metadata.fetch_endpoint_model_metadata(address)


def look_ahead_beside(look_ahead: Callable[[], None]) -> bool:
    """Start what a first turn would wait for, in threads, while the worker waits for a message.

    Hermes looks for the machine's Python tools if the profile's prompts mention them.
    ``look_ahead`` looks up the login of the model's provider. It is called only for a custom
    provider, whose login is never refreshed: a turn that begins meanwhile would refresh a login
    too, which works only once. Returns False if ``look_ahead`` was not called.
    """
    from hermes_cli.config import load_config

    config = load_config()
    if wants_probe(config):
        importlib.import_module("tools.env_probe").warm_environment_probe_async()
    if section_of(config, "model").get("provider") != "custom":
        return False
    for name in ("agent.model_metadata", "hermes_cli.runtime_provider"):
        importlib.import_module(name)
    threading.Thread(target=look_ahead, name="look-ahead", daemon=True).start()
    return True


def wants_probe(config: dict[str, Any]) -> bool:
    """Return True if the profile's prompts mention the machine's Python tools.

    Hermes looks for these tools then, which takes some time.
    """
    return bool(section_of(config, "agent").get("environment_probe", True))


def section_of(config: dict[str, Any], section: str) -> dict[str, Any]:
    """Return a section of a configuration; empty if it is missing, or is no mapping."""
    values = config.get(section)
    return values if isinstance(values, dict) else {}


def _note_kind(metadata: Any, address: str, key: str) -> str:
    """Store an unknown kind of server in Hermes's memory; return its name there, or ""."""
    kinds = metadata._endpoint_probe_path_cache
    if not metadata.is_local_endpoint(address):
        return ""  # distant endpoints are not asked
    server = metadata._localhost_to_ipv4(metadata._normalize_base_url(address))
    server = server.removesuffix("/v1")
    now, asked = time.monotonic(), kinds.get(server)
    if asked is None or now - asked[1] >= metadata._ENDPOINT_PROBE_TTL_SECONDS:
        kind = metadata.detect_local_server_type(address, api_key=key)
        asked = kinds[server] = (kind, now)
    return server if asked[0] is None else ""


def trust_answers() -> None:
    """Let the provider's last answers count for the turn that begins, however old they are.

    A session calls it at its start. A prepared worker may have waited for long, and to ask again
    would delay its turn. The next worker asks when it is prepared, so at most one turn uses an old
    answer.
    """
    from agent import model_metadata as metadata

    answers = getattr(metadata, "_endpoint_model_metadata_cache", {})
    for address, known in list(answers.items()):  # a thread may be asking meanwhile
        if known:
            metadata._endpoint_model_metadata_cache_time[address] = time.time()
    kinds = metadata._endpoint_probe_path_cache
    for server, (kind, _) in list(kinds.items()):
        kinds[server] = (kind, time.monotonic())
