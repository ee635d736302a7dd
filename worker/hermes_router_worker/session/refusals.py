"""Tell the model, and so the person, which setting causes a refusal of the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes.session import hooks
from hermes_router_worker.process import linux

#: What programs that need other privileges print if the flag no_new_privs is set.
_NO_NEW_PRIVS = re.compile(
    r"no new privileges|effective uid is not 0|new[ug]idmap.*(?:not permitted|failed)",
    re.IGNORECASE,
)

#: What the C library, and so nearly every program, prints for EMFILE.
_OPEN_FILES = re.compile(r"too many open files", re.IGNORECASE)
_RUNS_PROGRAMS = frozenset({"terminal", "process", "execute_code"})


def explain(profile: str) -> None:
    """Have the terminal tool's output name the setting if a program failed to gain privileges.

    The model reads the output, and can tell the person. Nothing is added if the profile's programs
    may gain privileges.
    """
    if linux.gave_up_new_privileges():
        hooks.add("transform_terminal_output", _explainer(profile))


def report_open_files(tell: Callable[[], None]) -> None:
    """Have ``tell`` called when a tool's output says that the kernel refused more open files.

    ``tell`` runs in the tool's thread, by Hermes's ``post_tool_call`` hook, once for each such
    output. Only tools that run programs count: in others, the words may be in a file that they
    read.
    """

    def observed(tool_name: str = "", result: object = "", **_details: Any) -> None:
        if tool_name in _RUNS_PROGRAMS and _OPEN_FILES.search(str(result)):
            tell()

    hooks.add("post_tool_call", observed)


def _explainer(profile: str) -> Callable[..., str | None]:
    key = f"hermes_router.profiles.{profile}.hardening.no_new_privs"

    def explained(output: str = "", **_details: Any) -> str | None:
        if not _NO_NEW_PRIVS.search(output):
            return None
        return (
            f"{output.rstrip()}\n[hermes-router: this profile's processes may not gain privileges. "
            f"The gateway's operator can allow it there with {key}: false.]"
        )

    return explained
