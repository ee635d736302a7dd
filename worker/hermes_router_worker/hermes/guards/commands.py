"""Commands of the terminal: which of them need approval, or are never run.

Before Hermes compares a command with its list, it writes ``~`` for the user's home, and
``~/.hermes`` for its own home. Here both stand for every such home.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import ModuleType

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.guards import homes

_Fold = Callable[[str, Iterable[str], str], str]
"""Writes a word for each of some folders, wherever a command names one."""

_USER, _HERMES = "~", "~/.hermes"


def cover_commands(module: ModuleType) -> None:
    """Have Hermes find a dangerous command also if it names another user's or profile's home.

    Called with each module that may have the function to replace. A module that does not have it
    stays as it is.
    """
    if replacements.FOLD_HOMES.find() is module:
        replacements.FOLD_HOMES.replace(_every_home, on=module)


def _every_home(fold: _Fold) -> _Fold:
    """Have a word stand for every home of its kind.

    For each command, Hermes calls ``fold`` for its own home first, and then for its user's home.
    """

    @functools.wraps(fold)
    def fold_every_home(command: str, paths: Iterable[str], word: str) -> str:
        hermes, users = homes.hermes_homes(links=True), homes.user_homes(links=True)
        if word == _HERMES:  # a user's home in a Hermes home is a user's all the same
            inner = [home for home in users if any(home.is_relative_to(h) for h in hermes)]
            command = fold(command, map(str, inner), _USER)
        command = fold(command, paths, word)
        others = {_HERMES: hermes, _USER: users}.get(word, [])
        return fold(command, map(str, others), word)

    return fold_every_home
