"""Recognise what Hermes answers when it fails itself, outside the agent's run.

These are sentences of its catalog, in the profile's language. A Hermes that lacks a key has another
sentence for the case, or none: then nothing is recognised.
"""

from __future__ import annotations

import importlib

#: By Hermes's key of the sentence: what has failed. An answer may go on after the sentence.
_FAILURES = {
    "gateway.errors.history_unavailable": "the session's history could not be read",
    "gateway.busy.another_turn_running": "another turn of the session did not end in time",
    "gateway.errors.generic_failed_with_hint": "an error outside the agent's run",
}

#: Stands for the hint that one of the sentences contains.
_HINT = "\x00"


def failure_in(answer: str) -> str | None:
    """Return what has failed, in words, if an answer is Hermes's own sentence about a failure.

    For any other answer it is None.
    """
    return next((what for key, what in _FAILURES.items() if _says(answer, key)), None)


def _says(answer: str, key: str) -> bool:
    """Say whether an answer begins with the sentence of a key, whatever hint it contains."""
    try:
        sentence = str(importlib.import_module("agent.i18n").t(key, hint=_HINT))
    except Exception:  # noqa: BLE001 - boundary: this Hermes has no catalog that can be read
        return False
    before, _, after = (part.strip() for part in sentence.partition(_HINT))
    said = answer.strip()
    return bool(before) and said.startswith(before) and after in said[len(before) :]
