"""Remove secrets from texts that people are shown, as Hermes does."""

from __future__ import annotations

import importlib


def redacted(text: str) -> str:
    """Return a text without its secrets, even if the profile has switched that off.

    Raises:
        Exception: whatever Hermes raises; the text must not be shown then.
    """
    redact = importlib.import_module("agent.redact").redact_sensitive_text
    return str(redact(text, force=True))


def without_secrets(text: str) -> str:
    """Return a text for people, without what Hermes knows as secrets.

    Nothing is removed if the profile has switched that off.
    """
    run = importlib.import_module("gateway.run")
    redact = getattr(run, "_redact_gateway_user_facing_secrets", str)
    return str(redact(text))
