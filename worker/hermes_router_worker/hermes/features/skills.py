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
    original = getattr(module, "reload_skills", None)
    if original is None or hasattr(original, "remembers"):  # older: it has no such command
        return

    def reload_skills() -> Any:
        known = _read(_file())
        if known is None:
            module.scan_skill_commands()
        else:
            module._skill_commands = {f"/{name}": {"description": d} for name, d in known.items()}
        result = original()
        keep()
        return result

    reload_skills.remembers = True  # type: ignore[attr-defined]
    module.reload_skills = reload_skills


def keep_first() -> None:
    """Keep what the profile has, if nothing is kept yet; takes a moment then."""
    if not _file().exists() and hasattr(_module(), "reload_skills"):
        _module().scan_skill_commands()
        keep()


def keep() -> None:
    """Keep what this process has found; a disk that takes no note costs a longer list."""
    found = _module()._skill_commands.items()
    names = {key.lstrip("/"): str((info or {}).get("description") or "") for key, info in found}
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
