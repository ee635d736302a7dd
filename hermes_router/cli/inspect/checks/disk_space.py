"""Check the free space of the folders that the gateway and its workers write."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from hermes_router.cli.inspect.findings import Finding, Severity
from hermes_router.cli.inspect.loading import Loaded

_MB = 1_000_000
#: Below this many free bytes, notes and databases of turns can no longer be written.
_TOO_LITTLE = 20 * _MB
_LITTLE = 200 * _MB


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield an error or a warning for each file system with little space, or one passed check."""
    short = [
        _finding(folders, free)
        for folders, free in _file_systems(_written(loaded))
        if free < _LITTLE
    ]
    if short:
        yield from short
    else:
        what = f"at least {_LITTLE // _MB} MB are free in all homes and the temporary folder"
        yield Finding(check="disk-space", severity="ok", what=what)


def _written(loaded: Loaded) -> Iterator[Path]:
    yield loaded.home.path
    names = loaded.config.worker_profiles() if loaded.config is not None else []
    for name in names:
        yield loaded.home.root / "profiles" / name
    yield Path(tempfile.gettempdir())


def _file_systems(folders: Iterable[Path]) -> Iterator[tuple[list[Path], int]]:
    """Yield the folders of each file system with its free bytes; skip what cannot be read."""
    by_device: dict[int, list[Path]] = {}
    for folder in folders:
        try:
            by_device.setdefault(folder.stat().st_dev, []).append(folder)
        except OSError:
            continue  # a missing or closed folder is another finding
    for group in by_device.values():
        try:
            yield group, shutil.disk_usage(group[0]).free
        except OSError:
            continue


def _finding(folders: list[Path], free: int) -> Finding:
    severity: Severity = "error" if free < _TOO_LITTLE else "warning"
    loss = "turns fail and notes are lost" if severity == "error" else "turns fail when it is full"
    return Finding(
        check="disk-space",
        severity=severity,
        what=f"only {free / _MB:.0f} MB are free on this disk: {loss}",
        where=", ".join(str(folder) for folder in folders),
        mend="delete what is not needed, or give this disk more space",
    )
