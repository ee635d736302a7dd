"""The session store for adapters: what they write about a routed place goes to its profile.

Adapters write some messages into a session themselves, before any turn begins. Telegram's adapter,
for example, keeps what people say in a group without addressing the bot, as context for later. For
this, adapters get the gateway's session store. Under the router they get :class:`RoutedSessions`,
which passes on to that store what concerns places that are not routed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hermes_router.hermes.features.adapters.observed import OverheardFiles
from hermes_router.state.observed import write_down

logger = logging.getLogger(__name__)

#: Returns the home of the profile that a source is routed to, True for the gateway's own store, or
#: None if nobody may keep messages of that source.
HomeOf = Callable[[Any], Any]


class _Elsewhere(str):
    """A stand-in for the id of another profile's session; adapters only pass it back."""

    __slots__ = ("home", "source")
    home: Any
    source: Any


class _Entry:
    """A stand-in for a routed place's session; adapters read its id and sometimes its key."""

    def __init__(self, source: Any, home: Any) -> None:
        self.session_id = _Elsewhere("routed")
        self.session_id.source, self.session_id.home = source, home
        self.session_key = ""
        self.origin = source


class RoutedSessions:
    """What an adapter gets in place of Hermes's ``SessionStore``, which is ``store``.

    ``home_of`` is described at :data:`HomeOf`. ``fields_of`` returns a source as plain data.
    ``files`` holds the attachments of observed messages.
    """

    def __init__(
        self,
        store: Any,
        home_of: HomeOf,
        fields_of: Callable[[Any], Any],
        files: OverheardFiles,
    ) -> None:
        self._store = store
        self._home_of = home_of
        self._fields_of = fields_of
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get_or_create_session(self, source: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the gateway's session of a source, or a stand-in if the source is routed."""
        home = self._home_of(source)
        if home is True:
            return self._store.get_or_create_session(source, *args, **kwargs)
        return _Entry(source, home)

    def append_to_transcript(self, session_id: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        """Append a message to the gateway's session, or keep it for the routed profile's worker.

        It is kept in a file in the profile's home. If nobody may keep it, it is dropped.
        """
        if not isinstance(session_id, _Elsewhere):
            return self._store.append_to_transcript(session_id, message, *args, **kwargs)
        home, source = session_id.home, session_id.source
        if home is not None:
            files = self._files.of(source, message)
            try:
                write_down(home, self._fields_of(source), message, files)
            except OSError as error:
                logger.warning("hermes-router: an observed message was not kept: %s", error)
        return None

    def load_transcript(self, session_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the gateway's transcript; return an empty one for a profile's session."""
        if isinstance(session_id, _Elsewhere):
            return []
        return self._store.load_transcript(session_id, *args, **kwargs)

    def rewrite_transcript(self, session_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Rewrite the gateway's transcript; do nothing for a profile's session."""
        if isinstance(session_id, _Elsewhere):
            return None
        return self._store.rewrite_transcript(session_id, *args, **kwargs)
