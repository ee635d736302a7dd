"""The ``hermes-router`` command; ``hermes router`` is the same one inside Hermes."""

from hermes_router.cli.entry import main

__all__ = ["main"]
