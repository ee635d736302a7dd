"""Commands of the terminal: which of them need approval, or are never run.

Before Hermes compares a command with its list, it writes ``~`` for the user's home, and
``~/.hermes`` for its own home. Here both stand for every such home.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.guards import homes


def cover_commands(module: ModuleType) -> None:
    """Have Hermes find a dangerous command also if it names another user's or profile's home.

    ``module`` may define the two functions that write ``~`` for a home; if it does not, nothing
    changes.
    """
    if replacements.FOLD_HERMES_HOME.find() is not module:
        return

    def of_hermes(original: Callable[[str], str]) -> Callable[[str], str]:
        @functools.wraps(original)
        def rewrite_hermes_homes(command: str) -> str:
            hermes, users = homes.hermes_homes(), homes.user_homes()
            inner = [home for home in users if any(home.is_relative_to(h) for h in hermes)]
            command = _fold(module, command, inner, "~")
            return _fold(module, original(command), hermes, "~/.hermes")

        return rewrite_hermes_homes

    def of_users(original: Callable[[str], str]) -> Callable[[str], str]:
        @functools.wraps(original)
        def rewrite_user_homes(command: str) -> str:
            return _fold(module, original(command), homes.user_homes(), "~")

        return rewrite_user_homes

    replacements.FOLD_HERMES_HOME.replace(of_hermes, on=module)
    replacements.FOLD_USER_HOME.replace(of_users, on=module)


def _fold(module: ModuleType, command: str, folders: Iterable[Path], word: str) -> str:
    folded: str = module._fold_home_prefixes(command, [str(folder) for folder in folders], word)
    return folded
