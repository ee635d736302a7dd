"""Find the routed conversation that a message belongs to, among those of one gateway."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.base.errors import ProfileError
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes.compat.events import own_bot, place_of, seen_of
from hermes_router.hermes.compat.seams import message_sources
from hermes_router.hermes.conversation import GatewayConversation, Notes, SessionName
from hermes_router.hermes.delivery import GatewayDelivery
from hermes_router.hermes.features.adapters.menus import ChatMenus
from hermes_router.profiles import model
from hermes_router.profiles.config import SessionScope, SessionScopes
from hermes_router.profiles.model import Profile
from hermes_router.relay.delivery_policy import lasting
from hermes_router.state.known_conversations import KnownConversations

#: How many conversations keep their message ids; the least recently used one is forgotten first.
_REMEMBERED = 2048


class Conversations:
    """Finds the conversation of a routed message, and keeps what is known of it in memory.

    The 2048 newest conversations are kept. For each message it also tells ``menus``, ``delivery``
    and ``seen`` where it came from: for the chat's menu, for later reactions, and for the file of
    known conversations.
    """

    def __init__(
        self,
        runner: Any,
        root: Path,
        watcher: ConfigWatcher,
        *,
        notes: Notes,
        menus: ChatMenus,
        delivery: GatewayDelivery,
        seen: KnownConversations,
    ) -> None:
        self._runner = runner
        self._root = root
        self._watcher = watcher
        self._notes = notes
        self._menus = menus
        self._delivery = delivery
        self._seen = seen
        self._scopes = SessionScopes()
        self._known: BoundedMap[str, GatewayConversation] = BoundedMap(_REMEMBERED)
        self._attended: Counter[str] = Counter()

    async def of(self, event: Any, profile_name: str) -> GatewayConversation:
        """Return the conversation that a message belongs to, in the profile with this name.

        The message handler calls this for each routed message; it is noted as the conversation's
        newest.

        Raises:
            ProfileError: the profile cannot be used.
        """
        profile = model.find(profile_name, self._root)
        scope = await self._scopes.of(profile)
        per_user = _per_user(scope)
        session = SessionName(
            message_sources.session_key(event.source, **per_user),
            own_bot(event.source),
            personal=message_sources.is_personal(event.source, **per_user),
        )
        conversation = self._remembered(profile, session)
        conversation.programs = scope.programs
        self._note(event, conversation)
        return conversation

    async def expected(self, event: Any, profile_name: str) -> GatewayConversation | None:
        """Return the conversation of a message that is about to come, if its writer is known there.

        Returns None otherwise, and if the profile cannot be used: no notice is sent before the
        message comes.
        """
        try:
            profile = model.find(profile_name, self._root)
            scope = await self._scopes.of(profile)
        except ProfileError:
            return None
        key = message_sources.session_key(event.source, **_per_user(scope))
        conversation = self._known.get(_name(profile, key, own_bot(event.source)))
        if conversation is None or not conversation.knows(place_of(event.source).user_id):
            return None
        return conversation

    @contextlib.contextmanager
    def attended(self, conversation: GatewayConversation) -> Iterator[None]:
        """While the block runs, ignore the typing calls of the conversation's worker.

        The gateway's adapter itself shows "typing" there, as long as it waits for the answer.
        """
        name = _name(conversation.profile, conversation.key, conversation.bot)
        self._attended[name] += 1
        try:
            yield
        finally:
            self._attended[name] -= 1
            if not self._attended[name]:
                del self._attended[name]

    def _remembered(self, profile: Profile, session: SessionName) -> GatewayConversation:
        name = _name(profile, session.key, session.bot)
        conversation = self._known.get(name)
        if conversation is None:
            conversation = GatewayConversation(
                self._runner,
                profile,
                session,
                config=lambda: self._watcher.snapshot,
                attended=lambda: self._attended[name] > 0,
                notes=self._notes,
                menus=self._menus,
            )
        self._known[name] = conversation
        return conversation

    def _note(self, event: Any, conversation: GatewayConversation) -> None:
        conversation.note(event)
        place, profile = place_of(event.source), conversation.profile.name
        self._menus.visited(place)
        self._delivery.heard(place, event.message_id)
        if (config := self._watcher.snapshot) is not None:
            self._seen.note(profile, lasting(config, profile, seen_of(event.source)))


def _per_user(scope: SessionScope) -> dict[str, bool]:
    return {
        "group_per_user": scope.group_sessions_per_user,
        "thread_per_user": scope.thread_sessions_per_user,
    }


def _name(profile: Profile, key: str, bot: str | None) -> str:
    """Return the name of a conversation; a person has one session with several bots."""
    return f"{profile.name}/{bot or ''}/{key}"
