"""Which names a ``.env`` sets, without its values and without a parser: it is asked often."""

from __future__ import annotations

from pathlib import Path


def dotenv_names(path: Path) -> dict[str, bool]:
    """Return the names that a ``.env`` sets, each with whether to something."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return {}
    found: dict[str, bool] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip().isidentifier():
            found[name.strip()] = value.strip()[:1] not in {"", "#"}
    return found
