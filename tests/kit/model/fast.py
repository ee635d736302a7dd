"""What /fast asks a model for, by the installed Hermes's own rule."""

from __future__ import annotations

import importlib
import inspect

from tests.kit.model.server import FakeModel


def fast_tier(model: FakeModel, name: str) -> str | None:
    """Return the service tier that Hermes asks for after ``/fast``, or None for none.

    ``name`` is the name of the model. From 0.21 on, Hermes asks a proxy for none.
    """
    models = importlib.import_module("hermes_cli.models")
    asks = inspect.signature(models.resolve_fast_mode_overrides).parameters
    named = {"base_url": model.base_url} if "base_url" in asks else {}
    return (models.resolve_fast_mode_overrides(name, **named) or {}).get("service_tier")
