"""Read routes in every form in which people write them.

List: as Hermes's ``gateway.profile_routes`` (``platform``, ``profile``, ``guild_id``, ``chat_id``,
``thread_id``, ``user_id``, ``bot_profile``, ``name``, ``enabled``). ``scope_id`` also works; it is
the newer word for ``guild_id``.

Nested: platform -> chat -> thread -> profile. A chat may name a profile directly. ``"*"`` or
``default`` stands for the other threads of a chat, or the other chats of a platform.

Flattened: ``topic_profiles: {"chat:thread": profile}``.

In the nested and flattened forms, a route that needs more than a profile is a mapping with
``profile``, and with ``name``, ``enabled``, ``user_id`` or ``guild_id``.

Ids, also numbers, are kept as they are written; platforms and profiles are put in lower case. A
value that cannot be meant is recorded with its line, and reading goes on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable

import msgspec

from hermes_router.base.errors import Severity, nearest
from hermes_router.config.diagnostics import Report, describe
from hermes_router.config.yaml import Mapping, Node, Scalar, Sequence, is_null, kind
from hermes_router.routing.table import GENERAL, Route, parse_topic
from hermes_router.routing.unreachable import PLATFORMS

LEAF_KEYS = ("profile", "name", "enabled", "user_id", "guild_id", "scope_id", "bot_profile")
LIST_KEYS = ("platform", "chat_id", "thread_id", *LEAF_KEYS)
REST = ("*", "default")
TOPICS = "topic_profiles"

_WORDS = (*LIST_KEYS, "default")

_ID_KEYS = {
    "guild_id": "guild_id",
    "scope_id": "guild_id",
    "chat_id": "chat_id",
    "thread_id": "thread_id",
    "user_id": "user_id",
}
#: Platforms whose chat ids never contain a colon.
_NO_COLONS = frozenset({"telegram", "discord", "slack", "mattermost", "feishu", "google_chat"})
_FLAT_KEY = re.compile(r"[-+]?[0-9]+:.+")


class _Draft(msgspec.Struct):
    """A route that is being read: the values that are known so far."""

    platform: str | None = None
    profile: str | None = None
    guild_id: str | None = None
    chat_id: str | None = None
    thread_id: str | None = None
    user_id: str | None = None
    bot_profile: str | None = None
    name: str = ""
    enabled: bool = True
    broken: bool = False


class RouteReader:
    """Reads the routes of one file into ``routes``, and its problems into ``report``.

    A route with a mistake is left out.
    """

    def __init__(self, report: Report, known_platforms: Container[str] | None = None) -> None:
        self.report = report
        self.routes: list[Route] = []
        self._known = known_platforms
        self._checked: set[str] = set()

    def read(self, node: Node, path: str) -> None:
        """Read a ``profile_routes`` value: a list, or a mapping by platform."""
        if isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                self._list_entry(item, f"{path}[{index}]")
        elif isinstance(node, Mapping):
            for key, value in self.report.entries(node, path):
                self._platform_entry(key, value, f"{path}.{key.text}")
        elif not is_null(node):
            message = f"must be a list of routes or a mapping by platform, not {describe(node)}"
            self.report.add(node, path, message, code="type")

    def read_topics(self, platform: str, node: Node, path: str) -> None:
        """Read a ``topic_profiles`` mapping of *platform*."""
        mapping = self.report.mapping(node, path)
        for key, value in self.report.entries(mapping, path) if mapping else ():
            self._topic(platform, key, value, f"{path}.{key.text}")

    def _list_entry(self, node: Node, path: str) -> None:
        if not isinstance(node, Mapping):
            message = f"a route must be a mapping, not {describe(node)}"
            self.report.add(node, path, message, hint=f"keys: {', '.join(LIST_KEYS)}", code="type")
            return
        draft = self._body(_Draft(), node, path, LIST_KEYS)
        for required in ("platform", "profile"):
            if node.key(required) is None:
                self.report.add(node, path, f"the route has no {required}", code="missing-key")
        self._finish(draft, node, path)

    def _platform_entry(self, key: Scalar, node: Node, path: str) -> None:
        if key.text in REST:
            hint = "for messages without a route, use hermes_router.unmatched"
            self.report.add(key, path, "write a platform's name here", hint=hint, code="platform")
            return
        platform = self.platform(key, path)
        if is_null(node):
            hint = "YAML takes what follows a # for a comment: an id like '#hermes' needs quotes"
            message = "there is no route below this platform"
            self.report.add(key, path, message, hint=hint, code="empty", severity="warning")
            return
        if isinstance(node, Scalar) or _is_route(node):
            self._leaf(_Draft(platform), node, key, path)
            return
        mapping = self.report.mapping(node, path)
        for chat, value in self.report.entries(mapping, path) if mapping else ():
            self._chat_entry(platform, chat, value, f"{path}.{chat.text}")

    def _chat_entry(self, platform: str | None, key: Scalar, node: Node, path: str) -> None:
        if key.text == TOPICS:
            self.read_topics(platform or "", node, path)
        elif key.text in REST:
            self._leaf(_Draft(platform), node, key, path)
        elif _is_topic(platform, key.text):
            self._topic(platform or "", key, node, path)
        elif self._is_mistyped(key, path, (*_WORDS, TOPICS)):
            return
        elif _has_threads(node):
            self._threads(platform, key, node, path)
        else:
            chat = self.report.id(key, path)
            self._leaf(_Draft(platform, chat_id=chat, broken=chat is None), node, key, path)

    def _threads(self, platform: str | None, chat_key: Scalar, node: Node, path: str) -> None:
        chat = self.report.id(chat_key, path)
        mapping = self.report.mapping(node, path)
        for key, value in self.report.entries(mapping, path) if mapping else ():
            draft = _Draft(platform, chat_id=chat, broken=chat is None)
            if self._is_mistyped(key, path, (*_WORDS, GENERAL)):
                continue
            if key.text not in REST:
                draft.thread_id = self.report.id(key, f"{path}.{key.text}")
                draft.broken = draft.broken or draft.thread_id is None
            self._leaf(draft, value, key, f"{path}.{key.text}")

    def _is_mistyped(self, key: Scalar, path: str, words: tuple[str, ...]) -> bool:
        """Report a key in the place of an id that is nearly a route's word: ids do not look so."""
        text = key.text.lower()
        letters = text.replace("_", "")  # most ids have digits; for those, skip the slow comparison
        if not letters.isalpha() or text in (GENERAL, *REST):
            return False
        if not difflib.get_close_matches(text, words, n=1, cutoff=0.85):
            return False
        self.report.unknown_key(key, path, words)
        return True

    def _topic(self, platform: str, key: Scalar, node: Node, path: str) -> None:
        text = self.report.id(key, path, composite=True)
        if text is None:
            return
        try:
            chat, thread = parse_topic(platform, text)
        except ValueError as error:
            self.report.add(key, path, f"{text!r} {error}", hint='"CHAT:THREAD"', code="id")
            return
        thread = None if thread in REST else thread
        self._leaf(_Draft(platform or None, chat_id=chat, thread_id=thread), node, key, path)

    def _leaf(self, draft: _Draft, node: Node, key: Scalar, path: str) -> None:
        if isinstance(node, Mapping):
            self._body(draft, node, path, LEAF_KEYS)
            if node.key("profile") is None:
                self.report.add(key, path, "the route has no profile", code="missing-key")
        else:
            draft.profile = self.report.profile(node, path)
        self._finish(draft, key, path)

    def _body(self, draft: _Draft, node: Mapping, path: str, allowed: tuple[str, ...]) -> _Draft:
        for key, value in self.report.entries(node, path):
            if key.text in allowed:
                self._field(draft, key, value, f"{path}.{key.text}")
            else:
                self.report.unknown_key(key, path, allowed)
                draft.broken = True
        return draft

    def _field(self, draft: _Draft, key: Scalar, node: Node, path: str) -> None:
        if key.text == "profile":
            draft.profile = self.report.profile(node, path)
        elif key.text == "platform":
            draft.platform = self.platform(node, path)
        elif key.text == "name":
            draft.name = self.report.text(node, path)
        elif key.text == "enabled":
            draft.enabled = self._enabled(node, path)
        elif key.text == "bot_profile":
            named = self.report.profile(node, path)
            draft.broken = draft.broken or named is None
            draft.bot_profile = None if named == "default" else named
        else:
            self._id_field(draft, _ID_KEYS[key.text], key, node, path)

    def _id_field(self, draft: _Draft, field: str, key: Scalar, node: Node, path: str) -> None:
        if getattr(draft, field) is not None:
            message = "guild_id and scope_id mean the same"
            self.report.add(key, path, message, hint="keep one of them", code="duplicate-key")
        found = self.report.id(node, path)
        setattr(draft, field, found)
        draft.broken = draft.broken or found is None

    def platform(self, node: Node, path: str) -> str | None:
        """Return a platform's name as Hermes spells it, or None if the value is no name.

        A value that is no name is reported as a problem. So is the name of an unknown platform, but
        it is returned.
        """
        if not isinstance(node, Scalar) or kind(node) != "str" or not node.text.strip():
            message = f"must be a platform's name, not {describe(node)}"
            self.report.add(node, path, message, code="platform")
            return None
        name = node.text.strip().lower()
        if name not in self._checked:
            self._judge_platform(name, node, path)
        self._checked.add(name)
        return name

    def _judge_platform(self, name: str, node: Node, path: str) -> None:
        """Report a platform that this Hermes does not know, or that no Hermes is known to have."""
        known: Container[str] = PLATFORMS if self._known is None else self._known
        if name in known:
            return
        words = known if isinstance(known, Iterable) else ()
        message = f"this Hermes does not know the platform {name!r}"
        severity: Severity = "unusable"
        if self._known is None:
            message = f"no known Hermes has the platform {name!r}; a plugin may add it"
            severity = "warning"
        hint = nearest(name, (str(word) for word in words))
        self.report.add(node, path, message, hint=hint, code="unknown-platform", severity=severity)

    def _enabled(self, node: Node, path: str) -> bool:
        if isinstance(node, Scalar) and kind(node) == "bool":
            return node.text.lower() in ("true", "yes", "on")
        message = f"must be true or false, not {describe(node)}"
        hint = "write it without quotes" if isinstance(node, Scalar) and not node.plain else ""
        self.report.add(node, path, message, hint=hint, code="type")
        return True

    def _finish(self, draft: _Draft, node: Node, path: str) -> None:
        if draft.broken or draft.platform is None or draft.profile is None:
            return
        thread = draft.thread_id
        if draft.platform == "telegram" and thread is not None and thread.lower() == GENERAL:
            thread = GENERAL
            if draft.chat_id is None:
                message = "the thread 'general' needs a chat: every forum has one"
                self.report.add(node, path, message, code="missing-key")
                return
        self.routes.append(
            Route(
                platform=draft.platform,
                profile=draft.profile,
                guild_id=draft.guild_id,
                chat_id=draft.chat_id,
                thread_id=thread,
                user_id=draft.user_id,
                bot_profile=draft.bot_profile,
                name=draft.name,
                enabled=draft.enabled,
                file=self.report.file,
                line=node.line,
                column=node.column,
                path=path,
            )
        )


def _is_topic(platform: str | None, text: str) -> bool:
    """Say whether a key of the nested mapping is ``chat:thread``, and not one chat's id.

    On Matrix, the thread is an event's id. On platforms whose chat ids have no colon, a colon
    separates chat and thread.
    """
    if platform == "matrix":
        return ":$" in text
    plain = platform in _NO_COLONS and ":" in text.strip(":")
    return bool(plain or _FLAT_KEY.fullmatch(text))


def _is_route(node: Node) -> bool:
    """Return whether a mapping is one route: it has a route's keys, and no id is such a word."""
    return isinstance(node, Mapping) and any(key.text in LIST_KEYS for key, _ in node.entries)


def _has_threads(node: Node) -> bool:
    return isinstance(node, Mapping) and bool(node.entries) and not _is_route(node)
