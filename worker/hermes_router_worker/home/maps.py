"""Maps that Hermes keeps in memory and saves whole: of each, what changed here is merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import require
from hermes_router_worker.home.lock import home_lock
from hermes_router_worker.json_files import read_map


class MapGuard:
    """Saves a map of independent keys: the keys that changed here, over what is on disk.

    ``current`` is the live map (updated in place), ``read`` reads the file, ``write`` is Hermes's
    own method that writes ``current`` whole.
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
        """Note ``values`` as what is on disk and in memory."""
        self._seen = dict(values)

    def __call__(self) -> None:
        """Save; in place of Hermes's method."""
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
    """``/voice`` of one chat keeps the modes of the others (gateway_voice_mode.json)."""
    require(runner, "_voice_mode")
    read = require(runner, "_load_voice_modes")
    replacements.SAVE_VOICE_MODES.replace(
        lambda write: MapGuard(home, lambda: runner._voice_mode, read, write), on=runner
    )


def guard_dead_targets(runner: Any, home: Path) -> None:
    """Keep what siblings learned about chats that are gone."""
    targets = require(runner.delivery_router, "dead_targets")
    path = Path(require(targets, "_path"))
    require(targets, "_dead")
    replacements.FLUSH_DEAD_TARGETS.replace(
        lambda write: MapGuard(home, lambda: targets._dead, lambda: read_map(path), write),
        on=targets,
    )
