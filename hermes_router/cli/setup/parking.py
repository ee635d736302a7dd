"""Park profiles, so that a gateway without the router does not serve them.

``gateway.parked`` is Hermes's own marker (since 0.21.5). Its gateway does not serve such a profile,
and rejects its own routes to it. Hermes does not read the marker's content. Ours holds our name, so
that only our markers are removed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.config.model import RouterConfig
from hermes_router.profiles.bots import gateway_answers_own_bot
from hermes_router.profiles.model import PARKED
from hermes_router.profiles.small_file import read_small

MARKER = PARKED
_OURS = b"hermes-router: routed conversations are answered by workers of this profile\n"


def park(home: GatewayHome, config: RouterConfig) -> Iterator[str]:
    """Write the marker for each routed profile, and yield the profile's name.

    Left out is a profile with a bot of its own that the gateway answers. A profile that has a
    marker already is yielded too, and its marker stays as it is.

    Raises:
        OSError: a marker cannot be written.
    """
    for name in config.worker_profiles():
        folder = home.root / "profiles" / name
        settings = config.settings(name)
        if folder.is_dir() and not gateway_answers_own_bot(settings, folder, home.path):
            marker = folder / MARKER
            if not marker.exists():
                marker.unlink(missing_ok=True)  # a link to nowhere: a write would follow it
                with marker.open("xb") as file:
                    file.write(_OURS)
            yield name


def unpark(root: Path) -> Iterator[str]:
    """Remove the markers that :func:`park` wrote, and yield the name of each such profile.

    Raises:
        OSError: a marker cannot be removed.
    """
    for marker in sorted((root / "profiles").glob(f"*/{MARKER}")):
        if _is_ours(marker):
            marker.unlink()
            yield marker.parent.name


def _is_ours(marker: Path) -> bool:
    """Say whether :func:`park` wrote a marker. A profile's processes may have put it there."""
    try:
        return read_small(marker, len(_OURS)) == _OURS
    except PermissionError:
        raise
    except OSError:  # longer, or no regular file
        return False
