"""Maps that Hermes keeps in memory and saves as a whole: merge only what changed here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.home import live_maps
from hermes_router_worker.home.lock import home_lock


class MapGuard:
    """Saves a map of Hermes so that only the keys that changed here replace those on disk.

    Hermes calls it in place of its own saving. ``current`` returns the live map, which is updated
    in place; ``read`` reads the file; ``write`` is Hermes's own function, which writes the live map
    as a whole.
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
        """Take ``values`` as what the file and Hermes's memory contain now.

        Called after each save and after each reading of the file. The next save writes only the
        keys that differ from them.
        """
        self._seen = dict(values)

    def __call__(self) -> None:
        """Put the keys that changed here into what the file has now, and write it.

        Replaces Hermes's method. Afterwards the map in memory has the changes of other workers too.
        """
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
    """Have ``/voice`` save one chat's mode without changing the other chats' modes in the file.

    Hermes itself would overwrite the file, gateway_voice_mode.json, with the modes in its memory.
    """
    live_maps.save_voice_modes_by(runner, functools.partial(MapGuard, home))


def refresh_voice_modes(runner: Any) -> None:
    """Read the chats' voice modes from the profile's home again, when the worker gets its session.

    A prepared worker read them when it was started, and other workers may have changed them since.
    """
    modes, saving = live_maps.reread_voice_modes(runner)
    if isinstance(saving, MapGuard):
        saving.saved(modes)
