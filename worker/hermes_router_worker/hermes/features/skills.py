"""Remember which skills the profile had, so that `/reload-skills` can say what is new.

Hermes compares with what the same process found before. A worker has found nothing before, and
would call every skill new. So the list is kept in the profile's home.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from hermes_router_worker import json_files

logger = logging.getLogger(__name__)


def remember_reloads() -> None:
    """Have ``/reload-skills`` compare with the list of skills that the home keeps.

    A worker calls it when its runner is built; a second call changes nothing.
    """
    module = _module()
    original = module.reload_skills
    if hasattr(original, "remembers"):
        return

    def reload_skills() -> Any:
        before = _read(_file())
        result = original()
        after = _present()
        _keep(after)
        return result | _difference(after if before is None else before, after)

    reload_skills.remembers = True  # type: ignore[attr-defined]
    module.reload_skills = reload_skills


def keep_first() -> None:
    """Write the list of the profile's skills into the home if none is there; that takes a moment.

    A session calls it after its first reply, in a thread. The next ``/reload-skills`` compares with
    the list.
    """
    if not _file().exists():
        _module().scan_skill_commands()
        _keep(_present())


def _present() -> dict[str, str]:
    """Return the skills that were found last: their names and descriptions."""
    module = _module()
    listing = getattr(module, "get_interactive_skill_commands", module.get_skill_commands)
    found = listing().items()
    return {key.lstrip("/"): str((info or {}).get("description") or "") for key, info in found}


def _difference(before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """Return which skills are new and which are gone, in the form of Hermes's own answer."""
    come, gone = after.keys() - before.keys(), before.keys() - after.keys()
    return {
        "added": [{"name": name, "description": after[name]} for name in sorted(come)],
        "removed": [{"name": name, "description": before[name]} for name in sorted(gone)],
        "unchanged": sorted(after.keys() & before.keys()),
    }


def _keep(names: dict[str, str]) -> None:
    """Keep the list that was found; if the disk refuses, the next reload only reports more."""
    file = _file()
    try:
        json_files.write(file, names)
    except OSError as error:
        logger.warning("%s: the skills could not be written: %s", file, error)


def _read(file: Path) -> dict[str, str] | None:
    try:
        content = json.loads(file.read_text("utf-8"))
        return {str(name): str(text) for name, text in content.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        logger.warning("%s cannot be read, so it is replaced by an empty one: %s", file, error)
        return None


def _file() -> Path:
    return Path(os.environ["HERMES_HOME"], "hermes-router", "skills.json")


def _module() -> Any:
    return importlib.import_module("agent.skill_commands")
