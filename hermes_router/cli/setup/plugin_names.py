"""The names of plugins in a configuration: which are enabled, and a careful edit of the file."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.cli.setup.plugin_edit import CannotEdit, without_plugin
from hermes_router.cli.status import CommandError
from hermes_router.config.yaml import load, plain_value

#: The name of our entry point; Hermes uses it as the plugin's name.
PLUGIN = "hermes-router"

#: What to do by hand, if an edit is not certain.
_WRITE = (
    f"edit it yourself: write under the top-level key `plugins`: enabled: [{PLUGIN}]; "
    f"{PLUGIN} must not be under disabled"
)
_TAKE_OUT = f"edit it yourself: take {PLUGIN} out of `enabled` under the top-level key `plugins`"


def plugin_lists(file: Path) -> tuple[list[Any], list[Any]]:
    """Return a configuration's ``plugins.enabled`` and ``plugins.disabled``; [] for a missing one.

    Raises:
        ConfigError: the file cannot be read as YAML.
    """
    try:
        node = load(file)
    except FileNotFoundError:
        return [], []
    values = plain_value(node) if node is not None else {}
    plugins = values.get("plugins") if isinstance(values, dict) else None
    plugins = plugins if isinstance(plugins, dict) else {}
    lists = (plugins.get("enabled"), plugins.get("disabled"))
    enabled, disabled = (value if isinstance(value, list) else [] for value in lists)
    return enabled, disabled


def edit(file: Path, change: Callable[[str, str], str]) -> None:
    """Edit a configuration with ``change``, which takes the text and the plugin's name.

    Raises:
        CommandError: the edit is unsafe, or the file cannot be written.
    """
    # The file may be a link, for example into a repository of dot-files: replace the linked file.
    target = Path(os.path.realpath(file))
    try:
        old = target.read_bytes() if target.exists() else b""
        new = change(old.decode("utf-8"), PLUGIN)
        _replace(target, new.encode("utf-8"))
    except (CannotEdit, UnicodeDecodeError) as error:
        raise CommandError(
            f"cannot be edited safely: {error}",
            where=str(file),
            hint=_TAKE_OUT if change is without_plugin else _WRITE,
        ) from error
    except FileNotFoundError as error:
        raise CommandError(
            f"is a link to {target}, and the folder of that file does not exist",
            where=str(file),
            hint=f"make the folder, or mount it; or remove the link: rm {shlex.quote(str(file))}",
        ) from error
    except OSError as error:
        raise CommandError(
            f"cannot be written: {error.strerror}",
            where=str(file),
            hint="run this as the user that runs the gateway",
        ) from error


def _replace(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; keep its mode and owner, or use 0600 for a new file."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                info = target.stat()
                os.fchmod(descriptor, stat.S_IMODE(info.st_mode))
                if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, info.st_uid, info.st_gid)
            os.fsync(descriptor)
        os.replace(name, target)  # noqa: PTH105 - the name is text
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the name is text
        raise
