"""Maps that Hermes keeps in memory and saves as a whole: merge only what changed here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.home import live_maps
from hermes_router_worker.home.lock import home_lock


class MapGuard:
    """Saves a map of independent keys: only the keys that changed here replace those on disk.

    ``current`` is the live map (updated in place), ``read`` reads the file, ``write`` is Hermes's
    own method that writes ``current`` as a whole.
    """

    def __init__(
        self,
        home: Path,
        current: Callable[[], dict[str, Any]],
        read: Callable[[], Mapping[str, Any]],
        write: Callable[[], None],
    ) -> None:
        self._home = home
        self._current = current
        self._read = read
        self._write = write
        self._seen = dict(current())

    def saved(self, values: Mapping[str, Any]) -> None:
        """Note ``values`` as the content both on disk and in memory."""
        self._seen = dict(values)

    def __call__(self) -> None:
        """Save the map; replaces Hermes's method."""
        current = self._current()
        with home_lock(self._home):
            merged = dict(self._read())
            for key in self._seen.keys() | current.keys():
                if key not in current:
                    merged.pop(key, None)
                elif current[key] != self._seen.get(key):
                    merged[key] = current[key]
            current.clear()
            current.update(merged)
            self._write()
        self.saved(merged)


def guard_voice_modes(runner: Any, home: Path) -> None:
    """Let ``/voice`` of one chat keep the modes of the others (gateway_voice_mode.json)."""
    live_maps.save_voice_modes_by(runner, functools.partial(MapGuard, home))


def refresh_voice_modes(runner: Any) -> None:
    """Read the chats' voice modes from the profile's home again, when the worker gets its session.

    A prepared worker read them when it was started, perhaps minutes ago.
    """
    modes, saving = live_maps.reread_voice_modes(runner)
    if isinstance(saving, MapGuard):
        saving.saved(modes)


def guard_dead_targets(runner: Any, home: Path) -> None:
    """Keep what other workers learned about dead chats."""
    live_maps.save_dead_targets_by(runner, functools.partial(MapGuard, home))
