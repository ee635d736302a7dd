"""Park profiles, so that a gateway without the router does not serve them.

``gateway.parked`` is Hermes's own marker (since 0.21.5). Its gateway does not serve such a profile,
and rejects its own routes to it. Hermes does not read the marker's content. Ours holds our name, so
that only our markers are removed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.profiles.bots import has_own_bot

MARKER = "gateway.parked"
_OURS = b"hermes-router: routed conversations are answered by workers of this profile\n"


def park(home: GatewayHome, profiles: Iterable[str]) -> Iterator[str]:
    """Write the marker for each profile without a bot of its own, and yield the profile's name.

    A profile that has a marker already is yielded too, and its marker stays as it is.

    Raises:
        OSError: a marker cannot be written.
    """
    for name in profiles:
        folder = home.root / "profiles" / name
        if folder.is_dir() and not has_own_bot(folder, home.path):
            marker = folder / MARKER
            if not marker.exists():
                marker.write_bytes(_OURS)
            yield name


def unpark(root: Path) -> Iterator[str]:
    """Remove the markers that :func:`park` wrote, and yield the name of each such profile.

    Raises:
        OSError: a marker cannot be removed.
    """
    for marker in sorted((root / "profiles").glob(f"*/{MARKER}")):
        if marker.read_bytes() == _OURS:
            marker.unlink()
            yield marker.parent.name
