"""Remove secrets from texts that are shown, as Hermes does in its own logs."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Used if this Python has no Hermes; it finds fewer kinds of secrets than Hermes does.
_PLAIN = re.compile(
    r"(?i)\b(?P<name>[\w-]*(?:api[_-]?key|token|secret|password|authorization))"
    r"(?P<mid>[\"']?\s*[:=]\s*[\"']?(?:bearer\s+)?)(?P<value>[^\s\"',;]{6,})"
    r"|\b(?:sk|ghp|gho|xox[abp]|AIza|glpat)[-_]?[\w-]{12,}"
)


def hider() -> Callable[[str], str]:
    """Return a function that takes a text and returns it with keys and passwords replaced.

    It is Hermes's own function, or a simpler one if this Python has no Hermes.
    """
    try:
        from agent.redact import redact_sensitive_text
    except Exception:  # noqa: BLE001 - boundary: no Hermes here, or one that has no such module
        return _hidden_plainly

    def hide(text: str) -> str:
        return str(redact_sensitive_text(text, force=True))

    return hide


def _hidden_plainly(text: str) -> str:
    return _PLAIN.sub(
        lambda match: f"{match['name']}{match['mid']}***" if match["name"] else "***", text
    )
