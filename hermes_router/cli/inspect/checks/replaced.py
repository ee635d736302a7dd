"""The functions of Hermes that a gateway and its workers replace: which are missing, and a list."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.terminal.output import paint, say, say_table
from hermes_router.protocol.replacements import Replacement
from hermes_router.protocol.system.versions import hermes_version

MEND = "install a Hermes that hermes-router supports, or a newer hermes-router"

_HEAD = ("FUNCTION", "REASON", "VERSIONS", "REQUIRED", "HERE")


def look(check: str, who: str, replaced: Iterable[Replacement]) -> Iterator[Finding]:
    """Yield a finding for each function in ``replaced`` that the installed Hermes lacks.

    ``who`` names the side that replaces it, for people: "a gateway" or "a worker". ``check`` is the
    findings' word for programs. A function that this version of Hermes need not have gives no
    finding.
    """
    for one in replaced:
        if one.missing:
            lacks = f"this Hermes ({hermes_version()}) lacks {one.function}"
            needs = "must replace" if one.required else "replaces"
            yield Finding(
                check=check,
                severity="error" if one.required else "warning",
                what=f"{lacks}, which {who} {needs}: {one.why}",
                where=sys.executable,
                mend=MEND,
            )


def show(replaced: Mapping[str, Iterable[Replacement]]) -> None:
    """Print the list of each side under a heading; skip a side whose list is empty."""
    for side, functions in replaced.items():
        rows = [_row(one) for one in functions]
        if rows:
            say(f"\n{paint(f'functions of Hermes that a {side} replaces', 'bold')}")
            say_table(_HEAD, rows)


def _row(one: Replacement) -> tuple[str, ...]:
    versions = f"{one.since} to {one.until}" if one.until else f"{one.since} and newer"
    here = "yes" if one.found else "missing" if one.missing else "not in this version"
    return one.function, one.why, versions, "yes" if one.required else "no", here


def fields(replaced: Mapping[str, Iterable[Replacement]]) -> dict[str, list[dict[str, Any]]]:
    """Return the lists as the JSON answer shows them."""
    return {
        side: [{**msgspec.to_builtins(one), "missing": one.missing} for one in functions]
        for side, functions in replaced.items()
    }
