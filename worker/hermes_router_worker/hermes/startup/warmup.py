"""Work that a template does once, so that none of its workers has to do it.

Only work whose result is the same for every session of the profile, and that Hermes would do in the
first turn of a process anyway: importing, probing the machine, reading certificates.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hermes_router_worker.hermes.startup import modules, provider_answers, speedups, steps
from hermes_router_worker.hermes.startup.program import gateway_config, runner_of

logger = logging.getLogger(__name__)

#: The platform of the agent that is built in advance. Unless a profile chooses toolsets for each
#: platform, a turn on every other one has the same tools.
_PLATFORM = "telegram"


def everything(*first: Callable[[], Any]) -> None:
    """Import and look up what the profile's turns need; the forked workers have it in memory.

    A template calls it once. The steps ``first`` come after the imports, before the others that
    need them. A step that fails is logged, and only makes workers slower.
    """
    for step in (
        _begin_probe,
        _import_modules,
        *first,
        speedups.everything,
        _throw_away_runner,
        _throw_away_agent,
        _practise_client,
        provider_answers.ask_provider,
        speedups.compile_config,
        _end_probe,
    ):
        try:
            step()
        except Exception:  # boundary: the worker does it itself and reports the error
            logger.warning("preparing %s failed", step.__name__, exc_info=True)


def _import_modules() -> None:
    for name in (*modules.OF_A_TURN, "hermes_router_worker.lifecycle"):
        with contextlib.suppress(Exception):  # this Hermes lacks it, or the turn reports the error
            importlib.import_module(name)


def _throw_away_runner() -> None:
    """Build a runner, which imports and reads much, and close what it opened."""
    steps.defer_upkeep()
    runner = runner_of(gateway_config())
    try:
        registry = importlib.import_module("hermes_state_registry")
    except ImportError:  # before 0.21, each user of the database has its own connection
        _close_databases(runner)
    else:
        registry.close_all()
        _close_header_readers()


def _close_header_readers() -> None:
    """Close the descriptors by which Hermes reads database headers; it opens new ones at need.

    Hermes never closes them itself: that would drop the locks of a connection to the same file.
    Here no connection is left.
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


def _begin_probe() -> None:
    """Have Hermes look for the machine's Python tools, in a thread: it waits for other programs."""
    if _wants_probe():
        importlib.import_module("tools.env_probe").warm_environment_probe_async()


def _end_probe() -> None:
    """Wait until Hermes has found the machine's Python tools; it remembers them per process."""
    if _wants_probe():
        importlib.import_module("tools.env_probe").get_environment_probe_line()


def _wants_probe() -> bool:
    from hermes_cli.config import load_config

    return provider_answers.wants_probe(load_config())


def _throw_away_agent() -> None:
    """Build an agent as the profile's turns will, so that Hermes remembers what it looks up.

    This includes what Hermes asks the provider about the model, and which tools the machine has:
    Hermes remembers that until a tool is registered or the profile's configuration changes. What a
    background thread would fetch is left to the workers.
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
            platform=_PLATFORM,
            **_toolsets(),
            skip_context_files=True,
            skip_memory=True,
        )
        with contextlib.suppress(Exception):  # the worker's turn will report the error
            _practise_answer(agent)
        with speedups.little_to_collect():  # closing an agent runs the collector, which took 0.5 s
            agent.close()
    finally:
        if fetched is not None:
            fetched.clear()


def _toolsets() -> dict[str, Any]:
    """Return the toolsets of the profile's turns, as arguments of an agent."""
    from gateway.run import _load_gateway_config
    from hermes_cli.tools_config import _get_platform_tools

    config = _load_gateway_config()
    disabled = provider_answers.section_of(config, "agent").get("disabled_toolsets")
    return {
        "enabled_toolsets": sorted(_get_platform_tools(config, _PLATFORM)),
        "disabled_toolsets": disabled if isinstance(disabled, list) else None,
    }


def _practise_client() -> None:
    """Let the OpenAI client do its first-time work for a request and for an answer.

    The client talks to a function, not to the network, so nothing is opened.
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
    """Answer a practice request: as a whole, or as a stream of one chunk."""
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
    from gateway.platforms.base import BasePlatformAdapter

    text = "x"
    message = SimpleNamespace(role="assistant", content=text, tool_calls=None)
    agent._strip_think_blocks(text)
    agent._extract_reasoning(message)
    agent._build_assistant_message(message, "stop")
    for name in ("extract_media", "extract_images", "extract_local_files"):
        getattr(BasePlatformAdapter, name)(text)
