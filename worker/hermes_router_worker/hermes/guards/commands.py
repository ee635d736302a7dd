"""Commands of the terminal: which need approval, or are never run.

Hermes writes ``~`` for the user's home, and ``~/.hermes`` for its own, before it compares a command
with its list. Both stand for every such home here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from hermes_router_worker.hermes.guards import homes


def cover_commands(module: ModuleType) -> None:
    """Let the detection of dangerous commands know every home by its path."""
    original = getattr(module, "_rewrite_resolved_hermes_home", None)
    if original is None or original.__module__ != module.__name__:
        return
    user = module._rewrite_resolved_user_home

    @functools.wraps(original)
    def rewrite_hermes_homes(command: str) -> str:
        hermes = homes.hermes_homes()
        inner = [home for home in homes.user_homes() if any(home.is_relative_to(h) for h in hermes)]
        command = _fold(module, command, inner, "~")
        return _fold(module, original(command), hermes, "~/.hermes")

    @functools.wraps(user)
    def rewrite_user_homes(command: str) -> str:
        return _fold(module, user(command), homes.user_homes(), "~")

    module._rewrite_resolved_hermes_home = rewrite_hermes_homes  # type: ignore[attr-defined]
    module._rewrite_resolved_user_home = rewrite_user_homes  # type: ignore[attr-defined]


def _fold(module: ModuleType, command: str, folders: Iterable[Path], word: str) -> str:
    folded: str = module._fold_home_prefixes(command, [str(folder) for folder in folders], word)
    return folded
