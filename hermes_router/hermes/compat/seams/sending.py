"""The adapters of the gateway's platforms, and how something is sent by one."""

from __future__ import annotations

import enum
import importlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio

from hermes_router.hermes.compat.events import own_bot
from hermes_router.hermes.compat.seams import gateway_runner
from hermes_router.routing.table import Place

logger = logging.getLogger(__name__)


#: The most characters of a caption on Telegram; Hermes counts by it on each platform.
_CAPTION = 1024

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)

#: Seconds for which one notice waits between its attempts, at the most.
PATIENCE_SECONDS = 60.0

#: Seconds for which a message waits for an adapter that is being connected anew.
_CONNECT_SECONDS = 60.0

#: Seconds between two looks for an adapter, at first and at the most.
_TICK = 0.25
_LONG_TICK = 3.0

#: Seconds after which a notice that could not be sent is tried again; each pause is twice as long.
_PAUSE_SECONDS = 60.0


class Sent(enum.Enum):
    """What became of a notice of the router."""

    YES = enum.auto()
    NO = enum.auto()  # the platform refuses it for good, or may have it: nobody sends it again
    LATER = enum.auto()  # it has not arrived, and another attempt may succeed


def known_platforms() -> frozenset[str]:
    """Return the names of the platforms that this Hermes knows, plugins included.

    A route for any other platform is a mistake in the configuration.
    """
    config = importlib.import_module("gateway.config")
    names = {platform.value for platform in config.Platform}
    registry = importlib.import_module("gateway.platform_registry").platform_registry
    return frozenset(names | {entry.name for entry in registry.all_entries()})


def repetition_mark() -> str:
    """Return what Hermes writes before a reply that may arrive a second time; "" if it has none.

    The gateway recognises by it that a worker repeats a reply.
    """
    try:
        ledger = importlib.import_module("gateway.delivery_ledger")
    except ImportError:
        return ""
    return str(getattr(ledger, "RECOVERED_MARKER", ""))


def disconnected_for_good(runner: Any, adapter: Any) -> bool:
    """Return True if the gateway is not running and this adapter is not connected any more.

    A call to it would wait for a connection that does not come.
    """
    return not gateway_runner.running(runner) and not getattr(adapter, "is_connected", True)


def adapter_for(runner: Any, source: Any) -> Any:
    """Return the current adapter of the bot that received a message; None while it has none."""
    return _adapters_of(runner, own_bot(source)).get(source.platform)


def adapter_named(runner: Any, platform: str, bot: str | None = None) -> Any:
    """Return the adapter of a profile's own bot on this platform; None if it has none.

    If ``bot`` is None, it is the gateway's own bot.
    """
    found = _adapters_of(runner, bot).items()
    return next((adapter for key, adapter in found if key.value == platform), None)


def _adapters_of(runner: Any, bot: str | None) -> Any:
    if bot is None:
        return runner.adapters
    return getattr(runner, "_profile_adapters", {}).get(bot, {})


async def connected_adapter(
    runner: Any, source: Any, method: str = "send", *, since: float | None = None
) -> Any:
    """Return the adapter of :func:`adapter_for`, once it can execute a method that sends.

    Hermes replaces an adapter that has lost its platform, and Telegram's new one refuses to send
    for ten seconds. A worker's Hermes would give up before that, and its reply would come minutes
    later, or never. So this waits for up to a minute from ``since``, in monotonic seconds, or from
    now; then it returns what there is. It does not wait for a platform that an operator has paused,
    nor while the gateway stops.
    """
    deadline = (time.monotonic() if since is None else since) + _CONNECT_SECONDS
    while True:
        adapter = adapter_for(runner, source)
        if adapter is None:
            waits = _is_being_connected(runner, source)
        else:
            waits = method == "send" and getattr(adapter, "_send_path_degraded", False)
        stops = gateway_runner.shutting_down(runner) or not gateway_runner.running(runner)
        if not waits or stops or time.monotonic() > deadline:
            return adapter
        await anyio.sleep(_TICK)


def _is_being_connected(runner: Any, source: Any) -> bool:
    """Return True if Hermes tries to connect the bot that received a message."""
    failed = getattr(runner, "_failed_platforms", {})
    if (bot := own_bot(source)) is not None:
        failed = (getattr(runner, "_profile_failed_platforms", None) or {}).get(bot, {})
    entry = failed.get(source.platform)
    return entry is not None and not (isinstance(entry, dict) and entry.get("paused"))


def place_metadata(place: Place) -> dict[str, Any]:
    """Return metadata that makes an adapter send into the conversation's own thread.

    If a topic is gone, Telegram's adapter would send to the chat itself, which may be another
    profile's place. It does not do so if the metadata says that the topic was made for this
    message, as this does.
    """
    if place.thread_id is None:
        return {}
    metadata: dict[str, Any] = {"thread_id": place.thread_id}
    if place.platform == "telegram":
        metadata["telegram_dm_topic_created_for_send"] = True
    return metadata


def chunks(adapter: Any, text: str) -> list[str]:
    """Return a text in pieces that the adapter can send; most adapters split a text themselves.

    This is for texts that workers send to other conversations.
    """
    limit = getattr(adapter, "MAX_MESSAGE_LENGTH", 0)
    if getattr(adapter, "splits_long_messages", False) or not limit:
        return [text]
    pieces: list[str] = adapter.truncate_message(text, limit)
    return pieces


def caption_of(text: str, files: Sequence[tuple[Path, bool]]) -> str | None:
    """Return the text if Hermes would send it as the caption of the one file, else None."""
    module = importlib.import_module("tools.send_message_tool")
    named = [(str(path), voice) for path, voice in files]
    caption: str | None = module._media_caption_split(text, named, max_caption_len=_CAPTION)[0]
    return caption


def goes_as_audio(adapter: Any, extension: str, *, voice: bool) -> bool:
    """Return True if Hermes sends a file with this extension as audio, which the platform plays.

    ``voice`` is True if the worker asked for a voice message.
    """
    base = importlib.import_module("gateway.platforms.base")
    return bool(base.should_send_media_as_audio(adapter.platform, extension, is_voice=voice))


async def react(adapter: Any, chat_id: str, message_id: str | None, emoji: str | None) -> Any:
    """Put a reaction on a message, or remove it; return the adapter's result.

    ``emoji`` is None to remove the reaction. Returns None if the adapter cannot do this. Adapters
    with a public method find the newest message themselves. Telegram's adapter has only a private
    method, for its own signs of progress, and that method needs a message id.
    """
    public = getattr(adapter, "add_reaction" if emoji else "remove_reaction", None)
    emojis = {"emoji": emoji} if emoji else {}
    if public is not None:
        return await public(chat_id=chat_id, message_id=message_id, **emojis)
    own = getattr(adapter, "_set_reaction" if emoji else "_clear_reactions", None)
    if own is None or adapter.platform.value != "telegram":
        return None
    if message_id is None:
        return {
            "error": "Give a message id: no message has been received here since the "
            "gateway started."
        }
    return await own(chat_id, message_id, **emojis)


async def send_text(runner: Any, event: Any, text: str) -> bool:
    """Send a notice of the router into the conversation of ``event``; return whether it was sent.

    A refused notice is sent again for a while, see :func:`send_to`.
    """
    return await send_to(runner, event.source, text, anchor=anchor_of(runner, event))


def anchor_of(runner: Any, event: Any) -> str | None:
    """Return the id of the message that a notice about ``event`` replies to, or None.

    Some platforms find the thread only by it.
    """
    anchor: str | None = runner._reply_anchor_for_event(event)
    return anchor


async def send_to(runner: Any, source: Any, text: str, *, anchor: str | None = None) -> bool:
    """Send a short text of the router's own to the place of ``source``; return whether it was sent.

    ``anchor`` is the id of the message that it belongs to, for platforms that need one to find the
    thread. An adapter that has just connected refuses for some seconds: sends are repeated after
    each of ``RETRY_SECONDS``, while the adapter says that a retry may help. A platform that asks to
    wait longer gets that, if it is no more than a minute for all attempts together.
    """
    return await try_to_send(runner, source, text, anchor=anchor) is Sent.YES


async def try_to_send(runner: Any, source: Any, text: str, *, anchor: str | None = None) -> Sent:
    """Send a text as :func:`send_to` does; return what became of it."""
    sent, _asked = await _attempt(runner, source, text, anchor)
    return sent


async def _attempt(runner: Any, source: Any, text: str, anchor: str | None) -> tuple[Sent, float]:
    """Send a text; return what became of it, and the seconds for which the platform must rest."""
    adapter = await connected_adapter(runner, source)
    if adapter is None:
        logger.error("no adapter for %s: not sent: %s", source.platform, text)
        return Sent.LATER, 0.0
    metadata = runner._thread_metadata_for_source(source, anchor)
    result = await adapter.send(source.chat_id, text, metadata=metadata)
    deadline = time.monotonic() + PATIENCE_SECONDS
    for seconds in RETRY_SECONDS:
        pause = max(seconds, asked_to_wait(result))
        if not may_be_repeated(result) or time.monotonic() + pause > deadline:
            break
        await anyio.sleep(pause)
        result = await adapter.send(source.chat_id, text, metadata=metadata)
    if result is None or result.success:
        return Sent.YES, 0.0
    logger.error("%s refused (%s): not sent: %s", source.platform, result.error, text)
    return Sent.LATER if may_be_repeated(result) else Sent.NO, asked_to_wait(result)


def may_be_repeated(result: Any) -> bool:
    """Return True if what an adapter returns for a send says that another attempt may succeed.

    Telegram's adapter does not call a flood limit ``retryable``; it says how long to wait.
    """
    if result is None or result.success:
        return False
    return bool(result.retryable) or asked_to_wait(result) > 0


def asked_to_wait(result: Any) -> float:
    """Return for how many seconds a platform asks not to be sent anything, 0 if it does not.

    ``result`` is what the adapter has returned for a send.
    """
    return float(getattr(result, "retry_after", None) or 0.0)


async def send_in_the_end(
    runner: Any, source: Any, text: str, *, seconds: float, anchor: str | None = None
) -> Sent:
    """Send a text as :func:`send_to` does, and try again until it is sent, for ``seconds``.

    It waits until the bot is connected. After an attempt that failed it waits for a minute, then
    two, four and so on, or until Hermes has replaced the adapter; in any case as long as the
    platform asks for. It returns ``LATER`` only if the time is over, or if the gateway stops:
    nothing is on the disk then.
    """
    pause = _PAUSE_SECONDS
    with anyio.move_on_after(seconds):
        while await until_connected(runner, source):
            sent, asked = await _attempt(runner, source, text, anchor)
            if sent is not Sent.LATER:
                return sent
            await _until_replaced(runner, source, max(pause, asked), least=asked)
            pause *= 2
    return Sent.LATER


async def until_connected(runner: Any, source: Any) -> bool:
    """Wait until the bot that received a message is connected; return False if the gateway stops.

    Hermes may never connect it: the caller must bound the wait. Many may wait for one bot, so the
    looks become rare.
    """
    tick = _TICK
    while not gateway_runner.shutting_down(runner):
        if adapter_for(runner, source) is not None:
            return True
        await anyio.sleep(tick)
        tick = min(tick * 1.2, _LONG_TICK)
    return False


async def _until_replaced(runner: Any, source: Any, seconds: float, *, least: float) -> None:
    """Wait until the bot has another adapter, or the gateway stops, for at most ``seconds``.

    Another adapter counts only after ``least`` seconds: the platform's limit holds for it, too.
    """
    adapter = adapter_for(runner, source)
    earliest = time.monotonic() + least
    with anyio.move_on_after(seconds):
        while not gateway_runner.shutting_down(runner):
            if adapter_for(runner, source) is not adapter and time.monotonic() >= earliest:
                return
            await anyio.sleep(_LONG_TICK)


def home_variable(platform: str) -> str:
    """Return the name of the environment variable that holds a platform's home channel."""
    name = getattr(importlib.import_module("gateway.run"), "_home_target_env_var", None)
    return str(name(platform)) if name is not None else f"{platform.upper()}_HOME_CHANNEL"
