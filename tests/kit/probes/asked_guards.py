"""Asks Hermes's own guards what they say, in a process like a gateway's or a worker's.

Run as a module: ``python -m tests.kit.probes.asked_guards [PROFILE] < questions``. With a profile
it becomes that profile first, as a worker does. A question is a way and a target; the answer is how
strict the guard is: 0 allows, 1 asks a person, 2 refuses.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ALLOWED, ASKS, REFUSES = 0, 1, 2


def _media(target: str) -> int:
    from gateway.platforms.base import validate_media_delivery_path

    return ALLOWED if validate_media_delivery_path(target) else REFUSES


def _write(target: str) -> int:
    from agent import file_safety
    from tools import file_tools

    if file_safety.get_write_denied_error(target) or file_tools._check_sensitive_path(target):
        return REFUSES
    needs_approval = getattr(file_safety, "is_write_approval_required", lambda _: False)
    return ASKS if needs_approval(target) else ALLOWED


def _read(target: str) -> int:
    from tools.file_tools import get_read_block_error

    return REFUSES if get_read_block_error(target) else ALLOWED


def _reference(target: str) -> int:
    from agent.context_references import _ensure_reference_path_allowed

    try:
        _ensure_reference_path_allowed(Path(target).resolve())
    except ValueError:
        return REFUSES
    return ALLOWED


def _command(target: str) -> int:
    from tools.approval import detect_dangerous_command, detect_hardline_command

    if detect_hardline_command(target)[0]:
        return REFUSES
    return ASKS if detect_dangerous_command(target)[0] else ALLOWED


_WAYS = {
    "media": _media,
    "write": _write,
    "read": _read,
    "reference": _reference,
    "command": _command,
}


def main() -> None:
    """Read questions as JSON from standard input; write the answers as JSON on the last line.

    A question is a pair of a way and a target. An answer is ``ALLOWED``, ``ASKS`` or ``REFUSES``.
    """
    questions = json.load(sys.stdin)
    if profile := sys.argv[1:]:
        from hermes_router_worker.startup.bootstrap import become_profile

        become_profile(profile[0], share_auth=False)
    answers = [_WAYS[way](target) for way, target in questions]
    sys.stdout.write("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
