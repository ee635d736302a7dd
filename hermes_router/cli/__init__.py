"""The ``hermes-router`` command; ``hermes router`` is the same command inside Hermes."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hermes-router`` with the given or the process's arguments; return the exit status."""
    try:
        from hermes_router.cli import entry  # noqa: PLC0415 - Ctrl-C may come during this import
    except KeyboardInterrupt:
        return 130
    return entry.main(arguments)
