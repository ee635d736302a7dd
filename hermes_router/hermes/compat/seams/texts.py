"""Hermes's own texts in a language, and the times that it states in them."""

from __future__ import annotations

import importlib


def text_in(key: str, language: str | None) -> str | None:
    """Return the text that Hermes has under a key, in a language; None if it has none.

    If ``language`` is None, it is the gateway's language.
    """
    try:
        text = str(importlib.import_module("agent.i18n").t(key, lang=language))
    except Exception:  # noqa: BLE001 - boundary: an error means no text
        return None
    return None if text == key else text


def default_approval_seconds() -> int:
    """Return how many seconds Hermes waits for an approval if the configuration does not say."""
    defaults = importlib.import_module("hermes_cli.config").DEFAULT_CONFIG
    return int(defaults["approvals"]["timeout"])
