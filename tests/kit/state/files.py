"""A picture, and where files with some content lie."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.kit.roots.homes import HermesRoot

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADElEQVQI12NgoC4AAABQAAEiE+h1AAAAAElFTkSuQmCC"
)


def in_the_gateways_home(root: HermesRoot, content: bytes) -> list[Path]:
    """Return the files with this content in the root that are in no profile's home."""
    profiles = root.path / "profiles"
    return [
        path
        for path in root.path.rglob("*")
        if path.is_file()
        and not path.is_relative_to(profiles)
        and path.stat().st_size == len(content)
        and path.read_bytes() == content
    ]
