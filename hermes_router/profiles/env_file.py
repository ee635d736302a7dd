"""Read a ``.env`` file safely; the profile's own processes can write the one in its home."""

from __future__ import annotations

import io
import os
from pathlib import Path

from hermes_router.profiles.small_file import MOST_BYTES, read_small


def env_values(path: Path, most: int = MOST_BYTES) -> dict[str, str]:
    """Return the names and values that a ``.env`` sets, without empty values.

    Returns an empty mapping if the file cannot be read or has more than ``most`` bytes.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - slow to import, and rarely needed

    try:
        text = read_small(path, most).decode("utf-8", "replace")
    except OSError:
        return {}
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value}


def dotenv_names(path: Path) -> dict[str, bool]:
    """Return the names that a ``.env`` sets; True for each that has a value."""
    try:
        # Follow links: .env may be a link into a repository of dot-files.
        text = read_small(Path(os.path.realpath(path))).decode("utf-8", "replace")
    except OSError:
        return {}
    found: dict[str, bool] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip().isidentifier():
            found[name.strip()] = value.strip()[:1] not in {"", "#"}
    return found
