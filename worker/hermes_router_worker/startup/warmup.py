"""What a template does once, so that no worker of it has to.

Only work whose result is the same for every session of the profile, and that Hermes would do in
the first turn of a process anyway: importing, probing the machine, reading certificates.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from hermes_router_worker.startup import speedups, steps

logger = logging.getLogger(__name__)

#: Modules that a turn imports when it first needs them; one that this Hermes lacks is skipped.
_MODULES = (
    "agent.agent_init",
    "agent.agent_runtime_helpers",
    "agent.aux_accounting",
    "agent.auxiliary_client",
    "agent.background_review",
    "agent.chat_completion_helpers",
    "agent.coding_context",
    "agent.context_compressor",
    "agent.conversation_loop",
    "agent.copilot_acp_client",
    "agent.credits_tracker",
    "agent.image_routing",
    "agent.kanban_stop",
    "agent.lmstudio_reasoning",
    "agent.models_dev",
    "agent.moonshot_schema",
    "agent.onboarding",
    "agent.prompt_builder",
    "agent.rate_limit_tracker",
    "agent.runtime_cwd",
    "agent.shell_hooks",
    "agent.ssl_guard",
    "agent.ssl_verify",
    "agent.subdirectory_hints",
    "agent.system_prompt",
    "agent.think_scrubber",
    "agent.title_generator",
    "agent.transports.anthropic",
    "agent.transports.bedrock",
    "agent.transports.chat_completions",
    "agent.transports.codex",
    "agent.turn_finalizer",
    "agent.verification_stop",
    "agent.verify_hooks",
    "anyio._backends._asyncio",
    "encodings.utf_16_le",
    "gateway.channel_directory",
    "gateway.code_skew",
    "gateway.delivery",
    "gateway.delivery_ledger",
    "gateway.display_config",
    "gateway.message_timestamps",
    "gateway.runtime_footer",
    "gateway.session_context",
    "gateway.status_phrases",
    "gateway.stream_consumer",
    "gateway.stream_dispatch",
    "h11",
    "hermes_cli.active_sessions",
    "hermes_cli.codex_models",
    "hermes_cli.commands",
    "hermes_cli.goals",
    "hermes_cli.moa_config",
    "hermes_cli.model_normalize",
    "hermes_cli.models",
    "hermes_cli.platforms",
    "hermes_cli.runtime_provider",
    "hermes_cli.skin_engine",
    "hermes_cli.tools_config",
    "httpcore",
    "httpx",
    "model_tools",
    "openai.resources.chat.completions",
    "run_agent",
    "socksio",
    "tools.approval",
    "tools.async_delegation",
    "tools.clarify_gateway",
    "tools.hook_output_spill",
    "tools.lazy_deps",
    "tools.process_registry",
    "tools.schema_sanitizer",
    "tools.send_message_tool",
    "tools.slash_confirm",
    "tools.terminal_tool",
    "tools.tool_search",
    "unittest.mock",
    "hermes_router_worker.lifecycle",
)


def everything() -> None:
    """Do all of it. A step that fails costs the workers time, nothing else."""
    for name in _MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for step in (
        steps.sync_skills,  # before what may read them
        speedups.everything,
        _throw_away_runner,
        _probe_environment,
        _throw_away_agent,
        _practise_client,
        ask_provider,
        speedups.compile_config,
    ):
        try:
            step()
        except Exception:  # boundary: the worker will do it itself and report what fails
            logger.warning("preparing %s failed", step.__name__, exc_info=True)


def quiet_logging() -> None:
    """Stop the thread that writes Hermes's logs: no thread may run when a process forks."""
    import hermes_logging

    with hermes_logging._queue_state_lock:
        listener = hermes_logging._queue_listener
        if listener is not None:
            listener.stop()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(timeout=5)


def resume_logging() -> None:
    """Start the log thread again, in a forked worker."""
    import hermes_logging

    listener = hermes_logging._queue_listener
    if listener is not None and getattr(listener, "_thread", None) is None:
        listener.start()


def _throw_away_runner() -> None:
    """Build a runner, which imports and reads much, and close what it opened."""
    from gateway.config import load_gateway_config
    from gateway.run import GatewayRunner

    steps.defer_upkeep()
    runner = GatewayRunner(load_gateway_config())
    try:
        registry = importlib.import_module("hermes_state_registry")
    except ImportError:  # before 0.21 each user of the database has a connection of its own
        _close_databases(runner)
    else:
        registry.close_all()
        _close_header_readers()


def _close_header_readers() -> None:
    """Close the descriptors by which Hermes reads database headers; it opens others when it needs.

    It never closes them itself: that would drop the locks of a connection to the same file. Here no
    connection is left.
    """
    files = importlib.import_module("hermes_state_dbfile")
    readers = getattr(files, "_HEADER_PROBE_FDS", {})
    for descriptor, *_identity in readers.values():
        os.close(descriptor)
    readers.clear()


def _close_databases(runner: Any) -> None:
    for holder, name in ((runner, "_session_db"), (runner.session_store, "_db")):
        database = getattr(holder, name, None)
        for owner in (database, getattr(database, "_db", None)):
            close = getattr(type(owner), "close", None)
            if owner is not None and callable(close):
                with contextlib.suppress(Exception):
                    result = owner.close()
                    if hasattr(result, "close") and hasattr(result, "cr_await"):
                        result.close()


def _probe_environment() -> None:
    """Have Hermes look for the machine's Python tools, which it remembers per process."""
    from tools.env_probe import get_environment_probe_line

    get_environment_probe_line()


def _throw_away_agent() -> None:
    """Build an agent as the profile's turns will, so that what it looks up is remembered.

    That includes what it asks its provider about the model. What it would fetch in the background,
    by a thread, is left to the workers.
    """
    import run_agent
    from gateway.run import _resolve_gateway_model, _resolve_runtime_agent_kwargs

    fetched = getattr(run_agent, "_openrouter_prewarm_done", None)
    if fetched is not None:
        fetched.set()
    try:
        agent = run_agent.AIAgent(
            model=_resolve_gateway_model(),
            **_resolve_runtime_agent_kwargs(),
            quiet_mode=True,
            platform="telegram",
            skip_context_files=True,
            skip_memory=True,
        )
        with contextlib.suppress(Exception):  # the worker's turn will do it, and report what fails
            _practise_answer(agent)
        agent.close()
    finally:
        if fetched is not None:
            fetched.clear()


def ask_provider() -> None:
    """Ask the provider about its models, which Hermes keeps for some minutes.

    A worker calls this too while it waits: a template's answers grow old. What a custom endpoint
    is, Hermes remembers only if it knows that kind of server; here also that it knows it not, once
    the endpoint has shown that it is there.
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
    # Hermes 0.21 and later remember an answer per key, and ask for prices without one.
    metadata.fetch_endpoint_model_metadata(address)


def look_ahead_beside(look_ahead: Callable[[], None]) -> bool:
    """Begin in a thread what a turn would wait for, and return at once; False if that may not be.

    It may not where finding out the login can refresh it: a turn that begins meanwhile would
    refresh it too, and such tokens can be used once. What both will import is imported here, one
    after the other.
    """
    from hermes_cli.config import load_config

    config = load_config()
    if _configured(config, "agent").get("environment_probe", True):
        with contextlib.suppress(ImportError):  # an older Hermes probes in its first turn
            from tools.env_probe import warm_environment_probe_async

            warm_environment_probe_async()
    if _configured(config, "model").get("provider") != "custom":
        return False
    for name in ("agent.model_metadata", "hermes_cli.runtime_provider"):
        importlib.import_module(name)
    threading.Thread(target=look_ahead, name="look-ahead", daemon=True).start()
    return True


def _configured(config: dict[str, Any], section: str) -> dict[str, Any]:
    values = config.get(section)
    return values if isinstance(values, dict) else {}


def _note_kind(metadata: Any, address: str, key: str) -> str:
    """Put an unknown kind into Hermes's memory of kinds; return its name there, or nothing."""
    kinds = getattr(metadata, "_endpoint_probe_path_cache", None)
    if kinds is None or not metadata.is_local_endpoint(address):
        return ""  # an older Hermes asks each time; a distant endpoint is not asked
    server = metadata._localhost_to_ipv4(metadata._normalize_base_url(address))
    server = server.removesuffix("/v1")
    now, asked = time.monotonic(), kinds.get(server)
    if asked is None or now - asked[1] >= metadata._ENDPOINT_PROBE_TTL_SECONDS:
        kind = metadata.detect_local_server_type(address, api_key=key)
        asked = kinds[server] = (kind, now)
    return server if asked[0] is None else ""


def trust_answers() -> None:
    """Let what the provider said last hold for the turn that begins, however old it is.

    A prepared worker may have waited for long. Asking again would delay its turn; the next worker
    asks when it is prepared, so that at most one turn knows an old answer.
    """
    from agent import model_metadata as metadata

    answers = getattr(metadata, "_endpoint_model_metadata_cache", {})
    for address, known in list(answers.items()):  # a thread may be asking meanwhile
        if known:
            metadata._endpoint_model_metadata_cache_time[address] = time.time()
    kinds = getattr(metadata, "_endpoint_probe_path_cache", {})
    for server, (kind, _) in list(kinds.items()):
        kinds[server] = (kind, time.monotonic())


def _practise_client() -> None:
    """Have the OpenAI client do once what it does first for a request and for an answer.

    It talks to a function, not to the network: nothing is opened.
    """
    import httpx
    import openai

    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    parameters = {"type": "object", "properties": {}}
    request: dict[str, Any] = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "t"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}],
    }
    http = httpx.Client(transport=httpx.MockTransport(_practice_answer))
    with openai.OpenAI(api_key="none", base_url="http://practice.invalid", http_client=http) as ai:
        ai.chat.completions.create(**request)
        for _chunk in ai.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}
        ):
            pass


def _practice_answer(request: Any) -> Any:
    """Answer a practice request: whole, or as a stream of one chunk."""
    import httpx

    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer: dict[str, Any] = {"id": "1", "created": 1, "model": "m"}
    answer["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    message: dict[str, Any] = {"role": "assistant", "content": "x", "tool_calls": [call]}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if not json.loads(request.content).get("stream"):
        choice["message"] = message
        return httpx.Response(200, json=answer | {"object": "chat.completion", "choices": [choice]})
    choice["delta"] = message | {"tool_calls": [call | {"index": 0}]}
    chunk = json.dumps(answer | {"object": "chat.completion.chunk", "choices": [choice]})
    kind = {"content-type": "text/event-stream"}
    return httpx.Response(200, headers=kind, text=f"data: {chunk}\n\ndata: [DONE]\n\n")


def _practise_answer(agent: Any) -> None:
    """Read an answer as a turn does: that compiles some thirty regular expressions."""
    from types import SimpleNamespace

    from gateway.platforms.base import BasePlatformAdapter

    text = "x"
    message = SimpleNamespace(role="assistant", content=text, tool_calls=None)
    agent._strip_think_blocks(text)
    agent._extract_reasoning(message)
    agent._build_assistant_message(message, "stop")
    for name in ("extract_media", "extract_images", "extract_local_files"):
        getattr(BasePlatformAdapter, name)(text)
