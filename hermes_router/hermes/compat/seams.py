"""Every piece of Hermes's insides that the gateway side touches, each behind one named function.

A seam is checked when the swap is installed. A missing one switches routing off, loudly and by
name: a router that half works would answer somebody as the wrong profile.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio

from hermes_router.hermes.compat.events import own_bot
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.routing.table import Place

logger = logging.getLogger(__name__)

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)

#: Methods of ``GatewayRunner`` that are called.
RUNNER_METHODS = (
    "_is_user_authorized",
    "_session_key_for_source",
    "_thread_metadata_for_source",
    "_reply_anchor_for_event",
    "_status_action_gerund",
)


def missing(module: ModuleType) -> list[str]:
    """Return the names of the seams that this Hermes does not have."""
    runner = getattr(module, "GatewayRunner", None)
    if runner is None:
        return ["gateway.run.GatewayRunner"]
    return patching.missing(patches.required()) + [
        f"GatewayRunner.{name}"
        for name in RUNNER_METHODS
        if not callable(getattr(runner, name, None))
    ]


def hermes_home() -> Path:
    """Return the Hermes home that the gateway process runs on, whoever is served at the moment."""
    constants = importlib.import_module("hermes_constants")
    of_process = getattr(constants, "get_process_hermes_home", constants.get_hermes_home)
    return Path(of_process())


def loop_of(runner: Any) -> asyncio.AbstractEventLoop | None:
    """Return the event loop that a gateway runs on, once it runs."""
    loop: asyncio.AbstractEventLoop | None = getattr(runner, "_gateway_loop", None)
    return loop


def catch_up(module: ModuleType, then: Callable[[Any], None]) -> None:
    """Call ``then`` with the gateway that runs already, on its event loop, if there is one."""
    reference = getattr(module, "_gateway_runner_ref", None)
    runner = reference() if callable(reference) else None
    loop = loop_of(runner) if runner is not None else None
    if loop is not None:
        loop.call_soon_threadsafe(then, runner)


def rewire_adapters(runner: Any) -> None:
    """Give the adapters of a gateway that runs already its handlers anew: they hold old ones."""
    wire = getattr(runner, "_wire_adapter_handlers", None)
    for adapter in tuple(runner.adapters.values()):
        if wire is not None:
            wire(adapter)
        else:
            adapter.set_message_handler(runner._handle_message)
            adapter.set_busy_session_handler(runner._handle_active_session_busy_message)
            adapter.set_session_store(runner.session_store)


def known_platforms() -> frozenset[str]:
    """Return the names of the platforms that this Hermes knows, plugins included."""
    config = importlib.import_module("gateway.config")
    names = {platform.value for platform in config.Platform}
    try:
        registry = importlib.import_module("gateway.platform_registry").platform_registry
        names |= {entry.name for entry in registry.all_entries()}
    except (ImportError, AttributeError):
        pass  # older than the registry
    return frozenset(names)


def session_key(source: Any, *, group_per_user: bool, thread_per_user: bool) -> str:
    """Return the key of the session that a profile with these settings has for ``source``."""
    build = importlib.import_module("gateway.session").build_session_key
    key: str = build(
        source, group_sessions_per_user=group_per_user, thread_sessions_per_user=thread_per_user
    )
    return key


def is_personal(source: Any, *, group_per_user: bool, thread_per_user: bool) -> bool:
    """Say whether another user of the same place would have another session there."""
    names = {field.name for field in dataclasses.fields(source)} & {"user_id", "user_id_alt"}
    another = dataclasses.replace(source, **dict.fromkeys(names, "another"))
    mine, theirs = (
        session_key(one, group_per_user=group_per_user, thread_per_user=thread_per_user)
        for one in (source, another)
    )
    return mine != theirs


def authorized(runner: Any, source: Any) -> bool:
    """Say whether Hermes lets this sender use the gateway."""
    of_source = getattr(runner, "_is_user_authorized_for_source", runner._is_user_authorized)
    return bool(of_source(source))


def restoring(runner: Any, event: Any) -> bool:
    """Say whether the gateway still restores sessions, and ``event`` is not one it replays."""
    return bool(
        getattr(runner, "_startup_restore_in_progress", False)
        and not getattr(event, "_hermes_startup_restore_replay", False)
    )


def hold_until_restored(runner: Any, event: Any) -> None:
    """Queue a message with those that Hermes replays when it has restored its sessions."""
    runner._queue_startup_restore_event(event)


def shutting_down(runner: Any) -> bool:
    """Say whether the gateway drains because it stops or restarts."""
    return bool(getattr(runner, "_draining", False))


def drained_externally(runner: Any) -> bool:
    """Say whether the gateway was asked from outside to refuse new turns."""
    return bool(getattr(runner, "_external_drain_active", False))


def update_prompt_pending(runner: Any, source: Any) -> bool:
    """Say whether a running ``/update`` waits for an answer from this conversation."""
    prompts = getattr(runner, "_update_prompt_pending", None)
    return bool(prompts and prompts.get(runner._session_key_for_source(source)))


def adapter_for(runner: Any, source: Any) -> Any:
    """Return the real adapter of the bot that received a message, as it is now, or None."""
    bot = own_bot(source)
    if bot is None:
        return runner.adapters.get(source.platform)
    return getattr(runner, "_profile_adapters", {}).get(bot, {}).get(source.platform)


def adapter_named(runner: Any, platform: str) -> Any:
    """Return the real adapter of the platform with this name, or None."""
    return next((a for p, a in runner.adapters.items() if p.value == platform), None)


def place_metadata(place: Place) -> dict[str, Any]:
    """Return the metadata that keeps what an adapter sends in a conversation's own thread.

    Telegram's adapter sends to the chat itself where a topic is gone: another profile's place, as
    like as not. It does not where it thinks that the topic was made for this message.
    """
    if place.thread_id is None:
        return {}
    metadata: dict[str, Any] = {"thread_id": place.thread_id}
    if place.platform == "telegram":
        metadata["telegram_dm_topic_created_for_send"] = True
    return metadata


def chunks(adapter: Any, text: str) -> list[str]:
    """Return a text in the pieces that the adapter can send; most split it themselves."""
    limit = getattr(adapter, "MAX_MESSAGE_LENGTH", 0)
    if getattr(adapter, "splits_long_messages", False) or not limit:
        return [text]
    pieces: list[str] = adapter.truncate_message(text, limit)
    return pieces


def caption_of(text: str, files: Sequence[tuple[Path, bool]]) -> str | None:
    """Return the text as the caption of its one file, where Hermes would send it so."""
    module = importlib.import_module("tools.send_message_tool")
    split = getattr(module, "_media_caption_split", None)
    if split is None:  # older: a text and its file are two messages
        return None
    limit = getattr(module, "_TELEGRAM_CAPTION_LIMIT", 1024)
    named = [(str(path), voice) for path, voice in files]
    caption: str | None = split(text, named, max_caption_len=limit)[0]
    return caption


def goes_as_audio(adapter: Any, extension: str, *, voice: bool) -> bool:
    """Say whether the platform plays a file of this kind, instead of offering it."""
    base = importlib.import_module("gateway.platforms.base")
    decide = getattr(base, "should_send_media_as_audio", None)
    if decide is None:
        return voice
    return bool(decide(adapter.platform, extension, is_voice=voice))


async def react(adapter: Any, chat_id: str, message_id: str | None, emoji: str | None) -> Any:
    """Put a reaction on a message, or take it away; return what came of it, None for no such thing.

    Adapters with a method for it find the newest message themselves. Telegram's has one for its own
    signs of progress, which wants a message.
    """
    public = getattr(adapter, "add_reaction" if emoji else "remove_reaction", None)
    emojis = {"emoji": emoji} if emoji else {}
    if public is not None:
        return await public(chat_id=chat_id, message_id=message_id, **emojis)
    own = getattr(adapter, "_set_reaction" if emoji else "_clear_reactions", None)
    if own is None or adapter.platform.value != "telegram":
        return None
    if message_id is None:
        return {"error": "Name the message: none has been received here since the gateway started."}
    return await own(chat_id, message_id, **emojis)


def bypasses_running_turn(command: str | None) -> bool:
    """Say whether Hermes acts on this command at once although a turn runs."""
    commands = importlib.import_module("hermes_cli.commands")
    return bool(command and commands.should_bypass_active_session(command))


def canonical_command(command: str | None) -> str | None:
    """Return the name of a built-in command for one of its aliases; other words unchanged."""
    if not command:
        return None
    definition = importlib.import_module("hermes_cli.commands").resolve_command(command)
    return definition.name if definition is not None else command


def is_built_in(command: str | None) -> bool:
    """Say whether a word is a command of Hermes itself, or an alias of one."""
    resolve = importlib.import_module("hermes_cli.commands").resolve_command
    return bool(command and resolve(command) is not None)


def command_refusal(runner: Any, source: Any, command: str | None, user_id: str) -> str | None:
    """Return why the gateway's rules forbid a command to another user of the place, or None."""
    check = getattr(runner, "_check_slash_access", None)
    name = canonical_command(command)
    if check is None or name is None:
        return None
    answer: str | None = check(dataclasses.replace(source, user_id=user_id), name)
    return answer


def refusal_of(runner: Any, event: Any) -> str | None:
    """Return what Hermes answers where the gateway's rules forbid a message's command, or None.

    For a word that is no command here: it may be a skill, which is free to all, or a command of
    the profile's, which is not. The worker knows, and applies the profile's rules as well: a
    profile without any would allow everything.
    """
    source = event.source
    return command_refusal(runner, source, event.get_command(), source.user_id)


def is_gateway_command(command: str | None) -> bool:
    """Say whether this is a command of Hermes or of a plugin of the gateway's home."""
    commands = importlib.import_module("hermes_cli.commands")
    known = getattr(commands, "is_gateway_known_command", None)
    name = canonical_command(command)
    return bool(name and (commands.resolve_command(name) or (known is not None and known(name))))


def has_command_rules(runner: Any, source: Any) -> bool:
    """Say whether the gateway has admin rules for the commands of this kind of place."""
    try:
        access = importlib.import_module("gateway.slash_access")
    except ImportError:  # older than such rules
        return False
    return bool(access.policy_for_source(runner.config, source).enabled)


async def _asked_hooks(name: str, **payload: Any) -> Any:
    """Ask the hooks of plugins; those that are coroutines too, where this Hermes has such."""
    plugins = importlib.import_module("hermes_cli.plugins")
    ask = getattr(plugins, "ainvoke_hook", None)
    return plugins.invoke_hook(name, **payload) if ask is None else await ask(name, **payload)


async def after_hooks(runner: Any, event: Any) -> Any:
    """Let the gateway home's ``pre_gateway_dispatch`` hooks see a message, as Hermes would.

    Returns the message, rewritten if a hook says so, or None if a hook says to skip it. Hermes
    asks them itself for every message that it handles; this is for those that it never sees.
    """
    try:
        results = await _asked_hooks(
            "pre_gateway_dispatch",
            event=event,
            gateway=runner,
            session_store=runner.session_store,
        )
    except Exception as error:  # noqa: BLE001 - boundary: plugins may raise anything
        logger.warning("pre_gateway_dispatch invocation failed: %s", error)
        return event
    for result in results or ():
        action = result.get("action") if isinstance(result, dict) else None
        if action == "skip":
            logger.info("pre_gateway_dispatch skip: reason=%s", result.get("reason"))
            return None
        if action == "rewrite":
            text = result.get("text")
            return dataclasses.replace(event, text=text) if isinstance(text, str) else event
        if action == "allow":
            break
    return event


def drop_cached_media(event: Any) -> None:
    """Remove the adapter's copies of a message's files: they are the profile's, which has its own.

    Only what lies in a media cache of the gateway's home is touched.
    """
    caches = _media_caches()
    for name in event.media_urls or ():
        path = Path(name)
        if any(path.resolve().is_relative_to(cache) for cache in caches):
            path.unlink(missing_ok=True)


def cached_media(name: str) -> Path | None:
    """Return the file in a media cache of the gateway's home that an adapter names, if it is there.

    An adapter may name it as the agent would see it: in Hermes's sandbox the caches are elsewhere.
    """
    path, caches = Path(name), _media_caches()
    for candidate in (path, *(cache / path.name for cache in caches)):
        found = candidate.resolve()
        if found.is_file() and any(found.is_relative_to(cache) for cache in caches):
            return found
    return None


def _media_caches() -> list[Path]:
    base = importlib.import_module("gateway.platforms.base")
    names = ("image", "audio", "video", "document")
    known = [getattr(base, f"get_{name}_cache_dir", None) for name in names]
    return [Path(folder()).resolve() for folder in known if folder is not None]


def shared_source(adapter: Any, source: Any) -> Any:
    """Return the source that an adapter keeps overheard messages under, whoever said them."""
    share = getattr(adapter, "_telegram_group_observe_shared_source", None)
    return source if share is None else share(source)


def count_as_running(runner: Any, key: str, source: Any, turn: Any) -> None:
    """Let Hermes see a routed turn where it looks for running work: drain, status, ``/agents``."""
    runner._running_agents[key] = turn
    runner._running_agents_ts[key] = time.time()
    cache = getattr(runner, "_cache_session_source", None)
    if cache is not None:
        cache(key, source)
    _publish_count(runner)


def no_longer_running(runner: Any, key: str, turn: Any) -> None:
    """Take a routed turn out again, if it is still the one that stands there."""
    if runner._running_agents.get(key) is turn:
        runner._running_agents.pop(key, None)
        runner._running_agents_ts.pop(key, None)
        _publish_count(runner)


@contextmanager
def hidden_turns(runner: Any, keys: Collection[str]) -> Iterator[None]:
    """Let Hermes not see some running turns where it looks for those that it has to tell."""
    if not keys:
        yield
        return
    seen = runner._snapshot_running_agents
    runner._snapshot_running_agents = lambda: {
        key: turn for key, turn in seen().items() if key not in keys
    }
    try:
        yield
    finally:
        del runner._snapshot_running_agents


def _publish_count(runner: Any) -> None:
    """Have Hermes write how many turns run, as it does at the ends of its own turns."""
    publish = getattr(runner, "_persist_active_agents", None)
    if publish is None:
        return
    try:
        publish()
    except Exception:  # boundary: a count in a file is not worth a turn
        logger.warning("hermes-router: the count of running turns was not written", exc_info=True)


async def send_text(runner: Any, event: Any, text: str) -> bool:
    """Send a line of the router's own into the conversation of ``event``; see send_to."""
    return await send_to(runner, event.source, text, anchor=runner._reply_anchor_for_event(event))


async def send_to(runner: Any, source: Any, text: str, *, anchor: str | None = None) -> bool:
    """Send a line of the router's own to where ``source`` is, again where that may help.

    An adapter that has just connected refuses for some seconds. Returns whether it was sent.
    """
    adapter = adapter_for(runner, source)
    if adapter is None:
        logger.error("no adapter for %s: not sent: %s", source.platform, text)
        return False
    metadata = runner._thread_metadata_for_source(source, anchor)
    result = await adapter.send(source.chat_id, text, metadata=metadata)
    for seconds in RETRY_SECONDS:
        if result is None or result.success or not result.retryable:
            break
        await anyio.sleep(seconds)
        result = await adapter.send(source.chat_id, text, metadata=metadata)
    if result is not None and not result.success:
        logger.error("%s refused (%s): not sent: %s", source.platform, result.error, text)
        return False
    return True


def text_in(key: str, language: str | None) -> str | None:
    """Return a text of Hermes's by its key, in a language or in the gateway's; None without one."""
    try:
        text = str(importlib.import_module("agent.i18n").t(key, lang=language))
    except Exception:  # noqa: BLE001 - boundary: a text that Hermes cannot tell is none
        return None
    return None if text == key else text


def default_approval_seconds() -> int:
    """Return how long Hermes waits for an approval where a configuration says nothing."""
    defaults = importlib.import_module("hermes_cli.config").DEFAULT_CONFIG
    return int(defaults["approvals"]["timeout"])


def restart_was_planned() -> bool:
    """Say whether the last gateway went to be started again, asked by nobody in a chat."""
    module = importlib.import_module("gateway.run")
    return bool(getattr(module, "_planned_restart_notification_pending", lambda: False)())


def home_variable(platform: str) -> str:
    """Return the name of the variable in which Hermes looks for a platform's home channel."""
    name = getattr(importlib.import_module("gateway.run"), "_home_target_env_var", None)
    return str(name(platform)) if name is not None else f"{platform.upper()}_HOME_CHANNEL"


def source_of(fields: dict[str, Any]) -> Any:
    """Return the ``SessionSource`` with these plain fields; unknown ones are left out."""
    source = importlib.import_module("gateway.session").SessionSource
    platform = importlib.import_module("gateway.config").Platform(fields["platform"])
    names = {field.name for field in dataclasses.fields(source)}
    known = {name: value for name, value in fields.items() if name in names}
    return source(**known | {"platform": platform})


def event_without_text(source: Any) -> Any:
    """Return an event by which a conversation is found, and by which nobody says anything."""
    event = importlib.import_module("gateway.platforms.base").MessageEvent
    return event(text="", source=source, internal=True)


async def until_running(runner: Any, seconds: float = 120.0) -> None:
    """Wait until the gateway's platforms are connected, or for so long."""
    with anyio.move_on_after(seconds):
        while not getattr(runner, "_running", False):  # noqa: ASYNC110 - Hermes has no event
            await anyio.sleep(0.2)
