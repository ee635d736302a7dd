"""What /fast asks a model for, by the installed Hermes's own rule."""

from __future__ import annotations

import importlib
import inspect

from tests.kit.model.server import FakeModel


def fast_tier(model: FakeModel, name: str) -> str | None:
    """Return what /fast asks the model for: from 0.21 on, a proxy is asked for nothing."""
    models = importlib.import_module("hermes_cli.models")
    asks = inspect.signature(models.resolve_fast_mode_overrides).parameters
    named = {"base_url": model.base_url} if "base_url" in asks else {}
    return (models.resolve_fast_mode_overrides(name, **named) or {}).get("service_tier")
