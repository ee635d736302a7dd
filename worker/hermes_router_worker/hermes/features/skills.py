"""Which skills the profile had when somebody last asked: `/reload-skills` tells what is new since.

Hermes compares with what its process found before. A worker has found nothing before, and would
call every skill new. So what was found is kept in the profile's home.
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
    """Have reloads compare with what is kept; a second call changes nothing."""
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
    """Keep what the profile has, if nothing is kept yet; takes a moment then."""
    if not _file().exists():
        _module().scan_skill_commands()
        _keep(_present())


def _present() -> dict[str, str]:
    """Return what was found last, by name, each with its description."""
    module = _module()
    listing = getattr(module, "get_interactive_skill_commands", module.get_skill_commands)
    found = listing().items()
    return {key.lstrip("/"): str((info or {}).get("description") or "") for key, info in found}


def _difference(before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """Return what a reload says has come and gone, in the words of Hermes's own answer."""
    come, gone = after.keys() - before.keys(), before.keys() - after.keys()
    return {
        "added": [{"name": name, "description": after[name]} for name in sorted(come)],
        "removed": [{"name": name, "description": before[name]} for name in sorted(gone)],
        "unchanged": sorted(after.keys() & before.keys()),
    }


def _keep(names: dict[str, str]) -> None:
    """Keep what was found; a disk that takes no note costs a longer list."""
    file = _file()
    try:
        json_files.write(file, names)
    except OSError as error:
        logger.warning("%s: the skills could not be noted: %s", file, error)


def _read(file: Path) -> dict[str, str] | None:
    try:
        content = json.loads(file.read_text("utf-8"))
        return {str(name): str(text) for name, text in content.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        logger.warning("%s cannot be read and is begun anew: %s", file, error)
        return None


def _file() -> Path:
    return Path(os.environ["HERMES_HOME"], "hermes-router", "skills.json")


def _module() -> Any:
    return importlib.import_module("agent.skill_commands")
