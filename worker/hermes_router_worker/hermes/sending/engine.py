"""Hermes's send engine: where it opens connections, reads targets and lists platforms.

Everything in Hermes that sends without an adapter ends in one function of
``tools.send_message_tool``, which uses the platform's credentials. Here that function calls a
function of ours.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import missing
from hermes_router_worker.hermes.session import platforms

#: The module of the engine.
ENGINE = "tools.send_message_tool"

#: Hermes needs some credential to count a platform as connected; this one opens nothing.
NO_TOKEN = "held-by-the-gateway"  # noqa: S105 - a placeholder

Send = Callable[[msg.Place, str, list[tuple[str, bool]], bool], Awaitable[dict[str, Any]]]
"""Sends text and files.

Arguments: place, text, files (each a path, and whether it is a voice message), and whether to send
the files as documents.
"""


class Targets(Protocol):
    """Tells Hermes's code that sends which place a target means if it names none."""

    def explicit(self, target: Any) -> str:
        """Return ``target`` with a mark for the place that is meant, if it names no place.

        A mark is a word in place of a chat's id, for example ``telegram:origin``. If no place is
        known, or ``target`` names one, it stays as it is.
        """

    def marked(self, mark: str, platform: str) -> msg.Place | None:
        """Return the place that ``mark`` stands for on a platform; None if it is no mark.

        :meth:`explicit` says what a mark is.
        """

    def thread_meant(self, platform: str, chat: str) -> str | None:
        """Return the thread that a sender means by ``chat`` alone; None for the chat itself."""


def lacking() -> list[str]:
    """Return the names of the functions for sending that must be replaced, but are missing.

    If there is one, nothing of the send engine is replaced, and the worker sends only as its
    adapter does.
    """
    needed = [replacements.SEND_TO_PLATFORM, replacements.SEND_MESSAGE]
    if not replacements.PARSE_TARGET.present():
        needed.append(replacements.RESOLVE_TARGET)
    return [patch.where for patch in missing(needed)]


def send_by(send: Send) -> None:
    """Have Hermes call ``send`` where it would connect to a platform to send a message.

    A later call replaces the function of an earlier one.
    """

    async def send_to_platform(
        platform: Any,
        pconfig: Any,
        chat_id: str,
        message: str,
        thread_id: str | None = None,
        media_files: Sequence[tuple[str, bool]] | None = None,
        force_document: bool = False,  # noqa: FBT001, FBT002 - Hermes's signature
        **_options: Any,
    ) -> dict[str, Any]:
        target = msg.Place(
            platform=str(getattr(platform, "value", platform)),
            chat_id=str(chat_id),
            thread_id=None if thread_id is None else str(thread_id),
        )
        files = [(str(path), bool(voice)) for path, voice in media_files or ()]
        return await send(target, message, files, force_document)

    replacements.SEND_TO_PLATFORM.replace(lambda _: send_to_platform, anew=True)


def know_targets(targets: Targets) -> None:
    """Have Hermes ask ``targets`` what a mark means, and which thread if a sender names none."""
    by_name = replacements.RESOLVE_TARGET.present()

    # The third value says whether a chat was named, or, in the newer reader, why none was found.
    found = None if by_name else True

    def reading(read: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(read)
        def read_target(platform_name: str, target_ref: str, **options: Any) -> Any:
            place = targets.marked(target_ref, platform_name)
            if place is not None:
                return place.chat_id, place.thread_id, found
            chat, thread, state = read(platform_name, target_ref, **options)
            if chat and state == found and thread is None:
                thread = targets.thread_meant(platform_name, chat)
            return chat, thread, state

        return read_target

    reader = replacements.RESOLVE_TARGET if by_name else replacements.PARSE_TARGET
    reader.replace(reading, anew=True)


def connect_platforms(names: Sequence[str], prepare: Callable[[Any, Any], None]) -> None:
    """Have Hermes's code that sends find these platforms configured, without a credential.

    Otherwise it would refuse them as not configured. ``prepare`` is called with the settings of
    each platform and Hermes's name of it, each time the configuration is loaded.
    """

    def loading(load: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(load)
        def load_gateway_config(*args: Any, **kwargs: Any) -> Any:
            config = load(*args, **kwargs)
            for name in names:
                platform = platforms.platform_of(name)
                settings = platforms.settings_of(config, platform)
                settings.enabled, settings.token = True, NO_TOKEN
                prepare(settings, platform)
            return config

        return load_gateway_config

    replacements.LOAD_PLATFORMS.replace(loading, anew=True)


def home_channel(platform: Any, home: msg.Place) -> Any:
    """Return a conversation as the home channel of a platform's settings."""
    cls = importlib.import_module("gateway.config").HomeChannel
    fields = {"platform": platform, "chat_id": home.chat_id, "name": home.name or home.chat_id}
    if "thread_id" in getattr(cls, "__dataclass_fields__", ()):
        fields["thread_id"] = home.thread_id
    return cls(**fields)


def home_variable(platform: str) -> str:
    """Return the name of the variable in which Hermes looks for a platform's home channel."""
    name = getattr(importlib.import_module("gateway.run"), "_home_target_env_var", None)
    return str(name(platform)) if name is not None else f"{platform.upper()}_HOME_CHANNEL"
