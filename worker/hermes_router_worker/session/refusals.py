"""Telling the model, and so the person, which setting stands behind a refusal of the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hermes_router_worker.process import linux

#: What programs that need other privileges say when the flag no_new_privs is set.
_NO_NEW_PRIVS = re.compile(
    r"no new privileges|effective uid is not 0|new[ug]idmap.*(?:not permitted|failed)",
    re.IGNORECASE,
)

#: What the C library, and so nearly every program, says for EMFILE.
_OPEN_FILES = re.compile(r"too many open files", re.IGNORECASE)
_RUNS_PROGRAMS = frozenset({"terminal", "process", "execute_code"})


def explain(profile: str) -> None:
    """Have Hermes's terminal add the setting's name to a refusal; nothing where that is no hook."""
    from hermes_cli.plugins import get_plugin_manager

    hooks = getattr(get_plugin_manager(), "_hooks", None)
    if hooks is not None and linux.gave_up_new_privileges():
        hooks.setdefault("transform_terminal_output", []).append(_explainer(profile))


def report_open_files(tell: Callable[[], None]) -> None:
    """Call ``tell`` when what a tool says is that the kernel refused it more open files.

    By Hermes's own ``post_tool_call`` hook, which runs in the tool's thread. A tool that merely
    reads or finds text is not asked: the words may stand in a file.
    """
    from hermes_cli.plugins import get_plugin_manager

    def observed(tool_name: str = "", result: object = "", **_details: Any) -> None:
        if tool_name in _RUNS_PROGRAMS and _OPEN_FILES.search(str(result)):
            tell()

    hooks = getattr(get_plugin_manager(), "_hooks", None)
    if hooks is not None:
        hooks.setdefault("post_tool_call", []).append(observed)


def _explainer(profile: str) -> Callable[..., str | None]:
    key = f"hermes_router.profiles.{profile}.hardening.no_new_privs"

    def explained(output: str = "", **_details: Any) -> str | None:
        if not _NO_NEW_PRIVS.search(output):
            return None
        return (
            f"{output.rstrip()}\n[hermes-router: this profile's processes may not gain privileges. "
            f"Who runs the gateway can allow it there with {key}: false.]"
        )

    return explained
