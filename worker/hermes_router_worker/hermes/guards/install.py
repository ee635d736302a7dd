"""Install the guards before Hermes is imported."""

from __future__ import annotations

from hermes_router_worker.hermes.guards.commands import cover_commands
from hermes_router_worker.hermes.guards.dropped import tell_of_jobs, watch_filters
from hermes_router_worker.hermes.guards.files import (
    cover_config_files,
    cover_file_safety,
    cover_references,
)
from hermes_router_worker.hermes.guards.media import cover_media
from hermes_router_worker.hermes.on_import import once_imported

#: The modules with replaced functions; if some Hermes has moved a function, both modules.
_COVERED = (
    ("agent.file_safety", cover_file_safety),
    ("agent.context_references", cover_references),
    ("gateway.platforms.base", cover_media),
    ("gateway.platforms.base", watch_filters),
    ("cron.scheduler", tell_of_jobs),
    ("tools.approval", cover_commands),
    ("tools.approval_detection", cover_commands),
    ("tools.file_tools", cover_config_files),
    ("tools.file_tools_write_guards", cover_config_files),
)


def install() -> None:
    """Have Hermes's guards cover every home: each one is changed when its module is imported.

    A worker and a template call it before they import Hermes, because other modules copy the
    guards' names.
    """
    for name, cover in _COVERED:
        once_imported(name, cover)
