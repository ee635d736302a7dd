"""The voice modes of chats, a map that Hermes keeps in memory and saves as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import require

Make = Callable[
    [Callable[[], dict[str, Any]], Callable[[], Mapping[str, Any]], Callable[[], None]],
    Callable[[], None],
]
"""Makes a function that saves a map.

Its arguments are functions: the first returns the live map, the second reads the file, and the
third is Hermes's writer.
"""


def save_voice_modes_by(runner: Any, make: Make) -> None:
    """Have the modes of ``/voice`` saved by the function that ``make`` returns.

    Raises:
        MissingPoint: this Hermes's runner lacks a member that is needed.
    """
    require(runner, "_voice_mode")
    read = require(runner, "_load_voice_modes")
    replacements.SAVE_VOICE_MODES.replace(
        lambda write: make(lambda: runner._voice_mode, read, write), on=runner
    )


def reread_voice_modes(runner: Any) -> tuple[dict[str, Any], Any]:
    """Read the modes of ``/voice`` from the file; return them, and the function that saves them."""
    modes = runner._load_voice_modes()
    runner._voice_mode.clear()
    runner._voice_mode.update(modes)
    return modes, runner._save_voice_modes
