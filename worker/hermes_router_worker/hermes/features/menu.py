"""The slash commands that the profile offers in a platform's menu, for the gateway to show.

The list is Hermes's own for that platform: the profile's own gateway would register the same. A
worker makes it after a turn, and only if its sources have changed since the gateway got it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.system.versions import hermes_version

#: For each platform, the function that lists its menu.
_LISTS = {"telegram": "telegram_menu_commands"}

#: How many commands are listed. The gateway decides how many fit: one menu may serve several
#: profiles.
_MOST = 100


def offers(platform: str, known: str) -> msg.Commands | None:
    """Return the profile's slash commands for a platform's menu; None if there is nothing to tell.

    There is nothing to tell if Hermes has no menu for the platform. The same holds if ``known`` is
    the ``of`` of an earlier answer and the sources of the list have not changed since. Blocks to
    read many files.
    """
    listing = _listing(_LISTS.get(platform, ""))
    if listing is None:
        return None
    of = _sources()
    if of == known:
        return None
    _skills().scan_skill_commands()  # the turn may have made a skill
    listed, _hidden = listing(max_commands=_MOST)
    return msg.Commands(of=of, commands=[(str(name), str(text)) for name, text in listed])


def _listing(name: str) -> Any:
    """Return the function with this name; the module of the second place has it up to 0.20."""
    for module in ("hermes_cli.commands_platforms", "hermes_cli.commands"):
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    return None


def _skills() -> Any:
    return importlib.import_module("agent.skill_commands")


def _sources() -> str:
    """Return a value that changes when a source of the list changes."""
    digest = hashlib.sha256((hermes_version() or "").encode())
    for path in _files():
        try:
            stat = path.stat()
        except OSError:
            continue
        digest.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode(errors="replace"))
    return digest.hexdigest()[:32]


def _files() -> Iterator[Path]:
    home = Path(importlib.import_module("hermes_constants").get_hermes_home())
    yield home / "config.yaml"
    yield from _below(home / "plugins", {"plugin.yaml", "__init__.py"})
    outside = importlib.import_module("agent.skill_utils").get_external_skills_dirs
    for folder in (home / "skills", *map(Path, outside())):
        yield from _below(folder, {"SKILL.md"})


def _below(folder: Path, names: set[str]) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names.intersection(files)))
