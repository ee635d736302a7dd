"""The session store that adapters get: what they write about a routed place goes to its profile.

Adapters write a little on their own, past the dispatcher: Telegram keeps what people say in a group
without addressing the bot, as context for when they do. They are given the gateway's store for it.
Under the router they get :class:`RoutedSessions`, which hands on to that store what is not routed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hermes_router.hermes.features.adapters.observed import OverheardFiles
from hermes_router.state.observed import write_down

logger = logging.getLogger(__name__)

#: Returns the home of the profile that a source is routed to, or True for the gateway's own store,
#: or None where nobody is to keep it.
HomeOf = Callable[[Any], Any]


class _Elsewhere(str):
    """Stands for the id of a session that another profile has; adapters only hand it back."""

    __slots__ = ("home", "source")
    home: Any
    source: Any


class _Entry:
    """What adapters take for a routed place's session: they read its id, its key at the most."""

    def __init__(self, source: Any, home: Any) -> None:
        self.session_id = _Elsewhere("routed")
        self.session_id.source, self.session_id.home = source, home
        self.session_key = ""
        self.origin = source


class RoutedSessions:
    """A ``SessionStore`` for adapters; ``home_of`` says whose a source is."""

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
        """Return the session of a source, or what stands for it where it is not the gateway's."""
        home = self._home_of(source)
        if home is True:
            return self._store.get_or_create_session(source, *args, **kwargs)
        return _Entry(source, home)

    def append_to_transcript(self, session_id: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        """Append to the gateway's session, or write down what the profile's worker will append."""
        if not isinstance(session_id, _Elsewhere):
            return self._store.append_to_transcript(session_id, message, *args, **kwargs)
        home, source = session_id.home, session_id.source
        if home is not None:
            files = self._files.of(source, message)
            try:
                write_down(home, self._fields_of(source), message, files)
            except OSError as error:
                logger.warning("hermes-router: what was overheard is not kept: %s", error)
        return None

    def load_transcript(self, session_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the gateway's transcript; of a profile's session nothing is shown here."""
        if isinstance(session_id, _Elsewhere):
            return []
        return self._store.load_transcript(session_id, *args, **kwargs)

    def rewrite_transcript(self, session_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Rewrite the gateway's transcript; a profile's session is not rewritten from here."""
        if isinstance(session_id, _Elsewhere):
            return None
        return self._store.rewrite_transcript(session_id, *args, **kwargs)
