"""One finding about an installation: what is wrong, where, how bad it is, and how to fix it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hermes_router.base.errors import Problem
from hermes_router.cli.terminal.output import one_line, say, say_prose, say_steps, severity

Severity = Literal["ok", "info", "warning", "error"]
"""How bad a finding is.

``error``: something does not work. ``warning``: it works, but should be changed. ``info``: worth
knowing. ``ok``: checked and fine.
"""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One result of a check of the installation.

    ``check`` is a stable word for programs. ``what`` says what was found, ``mend`` how to fix it.
    ``profile`` is the profile that it is about, None if it is about none.
    """

    check: str
    severity: Severity
    what: str
    where: str = ""
    mend: str = ""
    profile: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the finding as the JSON answers show it."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


def of_problem(problem: Problem) -> Finding:
    """Return a problem of a configuration as a finding."""
    path = f"{problem.path}: " if problem.path else ""
    return Finding(
        check=f"config-{problem.code}",
        severity="warning" if problem.severity == "warning" else "error",
        what=f"{path}{problem.message}",
        where=problem.where,
        mend=problem.hint,
    )


def say_finding(finding: Finding, indent: str = "") -> None:
    """Write a finding for a person to standard output, with what to do below it.

    What a profile has put into its words makes no further line.
    """
    word = severity(finding.severity) + " " * (7 - len(finding.severity))
    say_prose(f"{indent}{word}  ", one_line(finding.what))
    if finding.where and finding.severity != "ok":
        say(f"{indent}         where: {one_line(finding.where)}")
    if finding.mend:
        say_steps(f"{indent}         fix:   ", one_line(finding.mend))
