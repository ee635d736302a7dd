"""Find out whether a newer Hermes than the installed one last wrote a home.

Hermes numbers the layout of ``config.yaml`` and of ``state.db``, and writes both numbers into the
home. An older Hermes opens such a home without a warning, although it does not know what the newer
Hermes keeps there.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.versions import hermes_version

logger = logging.getLogger(__name__)

#: Hermes writes this number as a key of the outermost mapping.
_STAMP = re.compile(r"""^\{?["']?_config_version["']?\s*:\s*(\d+)""", re.MULTILINE)
#: The modules that hold the number of the databases' layout, the newest Hermes first.
_OF_DATABASES = ("hermes_state_common", "hermes_state")
_SECONDS = 1.0


class HomeStamps:
    """Logs a warning for each home that a newer Hermes wrote; it looks at each home once."""

    def __init__(self) -> None:
        self._seen: set[Path] = set()

    def look(self, homes: Iterable[Path]) -> None:
        """Check the homes that were not checked yet, and log a warning for each that is too new.

        This reads files, so call it in a thread.
        """
        for home in homes:
            if home in self._seen:
                continue
            self._seen.add(home)
            if found := newer_than_installed(home):
                logger.warning(
                    "hermes-router: %s was written by a newer Hermes than the installed %s: %s. "
                    "Install that Hermes again: an older one may lose what the newer one keeps.",
                    home,
                    hermes_version(),
                    found,
                )


def newer_than_installed(home: Path) -> str:
    """Return which files of a home a newer Hermes wrote, with both version numbers; "" if none.

    A file that cannot be read counts as old.
    """
    found = []
    for file, stamped, known in (
        ("config.yaml", _of_config(home / "config.yaml"), _known_config()),
        ("state.db", _of_database(home / "state.db"), _known_database()),
    ):
        if known and stamped > known:
            found.append(f"{file} has version {stamped}, this Hermes knows {known}")
    return "; ".join(found)


def _of_config(file: Path) -> int:
    """Return the layout number in a configuration; 0 if it has none or cannot be read."""
    try:
        found = _STAMP.search(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return 0
    return int(found[1]) if found else 0


def _of_database(file: Path) -> int:
    """Return the layout number in a database; 0 if it has none or cannot be read now."""
    if not file.exists():
        return 0
    with contextlib.suppress(sqlite3.Error, TypeError):
        address = f"{file.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_SECONDS)) as database:
            return _number(database.execute("SELECT version FROM schema_version").fetchone()[0])
    return 0


def _known_config() -> int:
    defaults = getattr(importlib.import_module("hermes_cli.config"), "DEFAULT_CONFIG", {})
    return _number(defaults.get("_config_version"))


def _known_database() -> int:
    for name in _OF_DATABASES:
        with contextlib.suppress(ImportError):
            if known := _number(getattr(importlib.import_module(name), "SCHEMA_VERSION", None)):
                return known
    return 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
