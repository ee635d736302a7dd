"""The shell from which Hermes's terminal takes its environment."""

from __future__ import annotations

import functools
from collections.abc import Callable

from hermes_router_worker.hermes import replacements


def read_at_start(file: str) -> None:
    """Have the login shell that gives Hermes's terminal its environment read a file first.

    A second call replaces the file.
    """

    def reading(original: Callable[[], list[str]]) -> Callable[[], list[str]]:
        @functools.wraps(original)
        def resolve_shell_init_files() -> list[str]:
            return [*original(), file]

        return resolve_shell_init_files

    replacements.SHELL_FILES.replace(reading, anew=True)
