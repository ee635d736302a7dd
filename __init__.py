"""This repository as a folder of Hermes's plugins, where `hermes plugins install` puts it.

Hermes's package manager installs the project itself, as pyproject.toml says; this file only names
the same plugin as the entry point of a pip installation does. A Hermes without that manager
installs nothing: then the reason why this plugin is not loaded says what to run.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path


def _how_to_install() -> str:
    """Return the command that installs the project into the Python that runs Hermes."""
    folder, python = shlex.quote(str(Path(__file__).parent)), shlex.quote(sys.executable)
    if sys.prefix == sys.base_prefix and importlib.util.find_spec("pm") is not None:
        return "hermes pm install"
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {folder}"
    return f"{python} -m pip install {folder}"


try:
    from hermes_router.plugin import register
except ImportError as error:
    raise ImportError(
        f"hermes-router routes nothing, because its code is not installed ({error}); run: "
        f"{_how_to_install()} && hermes gateway restart"
    ) from error

__all__ = ["register"]
