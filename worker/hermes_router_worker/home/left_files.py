"""Remove files of the router from a profile's home that a killed process left, and nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes_router.protocol.files.old_file import remove_if_older
from hermes_router_worker.hermes.paths import FOLDER, current_home

#: Seconds after which a file under a temporary name belongs to nobody.
_UNFINISHED_SECONDS = 3600.0

#: Seconds after which no gateway serves a message of which the home has the words, or tells of it:
#: the 48 hours of the gateways, and a day more.
_WORDS_SECONDS = 72 * 3600.0


def tidy() -> int:
    """Remove such files from this process's home; return how many there were."""
    suspects = _suspects(current_home() / FOLDER)
    return sum(remove_if_older(path, seconds) for path, seconds in suspects)


def _suspects(folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield the files that may be left, each with the age in seconds from which it is.

    A file that is replaced as a whole has a temporary name before, and so has one that is to be
    locked. The gateway keeps the words of messages in ``waiting``, until they have their outcome.
    """
    for path in (*folder.glob(".*"), *folder.glob("*/.*")):
        if not path.is_dir():
            yield path, _UNFINISHED_SECONDS
    for path in folder.glob("waiting/*.json"):
        yield path, _WORDS_SECONDS
