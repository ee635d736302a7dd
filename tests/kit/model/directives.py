"""What a person says to the fake model so that it calls a tool: `[[tool NAME {...}]]`."""

from __future__ import annotations

import json


def tool(name: str, /, **arguments: object) -> str:
    """Return the directive that makes the model call a tool."""
    return f"[[tool {name} {json.dumps(arguments)}]]"


def question(text: str, *choices: str) -> str:
    """Return the directive that makes the model ask a person.

    Hermes takes one question, and from 0.22 on a list of them; it leaves alone what it does not
    know.
    """
    asked: dict[str, object] = {"question": text}
    if choices:
        asked["choices"] = list(choices)
    return tool("clarify", **asked, questions=[asked])
