"""Take the router's plugin out of a profile that was cloned.

``hermes profile create --clone`` copies the folder of plugins. The router belongs into the
gateway's home alone, and Hermes's package manager refuses two plugins that are one Python project.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import msgspec

from hermes_router.cli.inspect.checks.plugin_folder import folder_in
from hermes_router.cli.setup.plugin_edit import without_plugin
from hermes_router.cli.setup.plugin_names import PLUGIN, edit, plugin_lists
from hermes_router.cli.status import CommandError
from hermes_router.protocol.files.whole_file import replace_file

#: What Hermes's plugin manager notes of each plugin, by name.
_INSTALLED = ".install-metadata.json"


def take_out(home: Path) -> None:
    """Remove the plugin's folder from a profile's home, its record, and its name in the config.

    Raises:
        OSError: the folder or the record cannot be removed.
    """
    folder = folder_in(home)
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
    _forget(folder.with_name(_INSTALLED))
    config = home / "config.yaml"
    if PLUGIN in plugin_lists(config)[0]:
        with contextlib.suppress(CommandError):  # a name without a folder does nothing
            edit(config, without_plugin)


def _forget(file: Path) -> None:
    try:
        installed = msgspec.json.decode(file.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return
    if isinstance(installed, dict) and installed.pop(PLUGIN, None) is not None:
        replace_file(file, msgspec.json.format(msgspec.json.encode(installed), indent=2))
