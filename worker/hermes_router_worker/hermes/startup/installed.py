"""Hermes's check of its own installation, in a process that sees only a part of that.

A sandbox shows the store's Python and one generation of dependencies. It hides the other tools, the
other profiles, and the plugins that the generation was built for. Hermes's check takes that for
damage, and tells the agent to repair it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.on_import import once_imported


def silence_check() -> None:
    """Have Hermes find no fault with its installation in this process.

    A ``hermes`` command in a sandbox calls it, because the sandbox hides parts of the installation.
    """
    once_imported(replacements.CHECK_INSTALLATION.owner, _replace)


def _replace(_module: Any) -> None:
    replacements.CHECK_INSTALLATION.replace(_without_verdict)


def _without_verdict(check: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(check)
    def checked(*args: Any, **kwargs: Any) -> None:
        check(*args, **kwargs)  # it also puts the tools that are there into PATH

    return checked
