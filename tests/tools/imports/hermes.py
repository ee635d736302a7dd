"""Fail when a file outside of two packages imports Hermes; with ``--figures`` count what is known.

Two packages know Hermes, one on each side. Everything else calls their plain-named functions. One
file is excepted, by name and with its reason: see :data:`FINDS`.

An import by name counts too: ``importlib.import_module("gateway.run")``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.tools.imports import figures

ROOT = Path(__file__).resolve().parents[3]

SOURCES = ("hermes_router", "worker/hermes_router_worker")

#: The packages that know Hermes.
ROOMS = ("hermes_router/hermes/compat/", "worker/hermes_router_worker/hermes/")

#: Says where Hermes lies in this Python, without importing it: both sides need that, also where
#: there is no Hermes, and they share nothing but the protocol.
FINDS = "hermes_router/protocol/system/versions.py"

#: Hermes's top-level packages and modules, as pyproject.toml tells mypy.
HERMES = frozenset(
    {
        "acp_adapter",
        "agent",
        "cron",
        "gateway",
        "hermes_bootstrap",
        "hermes_cli",
        "hermes_constants",
        "hermes_logging",
        "hermes_state",
        "hermes_time",
        "hermes_yaml",
        "model_tools",
        "plugins",
        "pm",
        "providers",
        "run_agent",
        "tools",
        "toolsets",
        "tui_gateway",
        "utils",
    }
)

#: Functions that import the module which their first argument names, or find it.
_BY_NAME = frozenset({"import_module", "__import__", "find_spec", "folder_of"})


def main() -> int:
    """Print who imports Hermes and may not, or the figures; return the exit status."""
    if "--figures" in sys.argv[1:]:
        print(figures.report(ROOT, SOURCES, ROOMS))
    found = outside(importers())
    for path in sorted(found):
        print(f"{path} imports Hermes. Only {' and '.join(ROOMS)} may.")
    print(f"{len(found)} files outside of the two packages import Hermes")
    return 1 if found else 0


def outside(paths: Iterable[str]) -> set[str]:
    """Return those of the files that lie in neither of the packages that know Hermes."""
    return {path for path in paths if not path.startswith(ROOMS) and path != FINDS}


def importers() -> set[str]:
    """Return the files of the product that import Hermes, as paths from the root."""
    return {
        str(file.relative_to(ROOT))
        for folder in SOURCES
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not HERMES.isdisjoint(imported_by(file.read_text("utf-8")))
    }


def imported_by(text: str) -> Iterator[str]:
    """Yield the top-level names of what a file's text imports, by a statement or by name."""
    for node in ast.walk(ast.parse(text)):
        for name in _modules(node):
            yield name.partition(".")[0]


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    elif isinstance(node, ast.Call) and _called(node.func) in _BY_NAME and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


if __name__ == "__main__":
    sys.exit(main())
