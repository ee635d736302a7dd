"""`make graph`: draw which package imports which into docs/import-graph.md.

With `--check` nothing is written: the status is 1 when the page is not what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

PAGE = Path(__file__).resolve().parents[3] / "docs" / "import-graph.md"

#: Which packages each package of one side imports.
Graph = Mapping[str, frozenset[str]]

_HEAD = """\
# Who imports whom

Written by `make graph`; the rules stand in `pyproject.toml` under `tool.importlinter`, and
`make check` keeps them. An arrow leads from a package to one that it imports. An arrow that
follows from two others is not drawn; the table below each picture has all of them.
"""


def main() -> int:
    """Write or check the page; return the exit status."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.is_file() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.name} is {'as it should be' if same else 'old: run make graph'}")
        return 0 if same else 1
    PAGE.write_text(text, "utf-8")
    print(f"written: {PAGE}")
    return 0


def page() -> str:
    """Return the page: both sides as pictures and tables."""
    graph = grimp.build_graph("hermes_router", "hermes_router_worker", cache_dir=None)
    gateway = packages(graph, "hermes_router")
    worker = packages(graph, "hermes_router_worker")
    return "\n".join(
        [
            _HEAD,
            "## The gateway's side: `hermes_router`\n",
            *_side(gateway),
            "## The worker: `hermes_router_worker`\n",
            "From `hermes_router` it imports `protocol` only, and every package may.\n",
            *_side(worker),
        ]
    )


def packages(graph: grimp.ImportGraph, root: str) -> Graph:
    """Return which packages and single files below ``root`` import which others below it."""
    children = graph.find_children(root)
    found: dict[str, set[str]] = {_package(child, root): set() for child in children}
    for module in graph.find_descendants(root):
        own = _package(module, root)
        for imported in graph.find_modules_directly_imported_by(module):
            other = _package(imported, root)
            if own and other and own != other:
                found[own].add(other)
    return {name: frozenset(imports) for name, imports in sorted(found.items())}


def _package(module: str, root: str) -> str:
    """Return the name below ``root`` that a module belongs to; empty for any other module."""
    below = module.removeprefix(f"{root}.")
    return "" if below == module else below.partition(".")[0]


def reduced(graph: Graph) -> Graph:
    """Return the graph without the arrows that follow from others; it has no circles."""
    return {
        name: frozenset(
            target
            for target in imports
            if not any(target in _reach(graph, other) for other in imports if other != target)
        )
        for name, imports in graph.items()
    }


def _reach(graph: Graph, start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - reached:
            reached.add(target)
            waiting.append(target)
    return reached


def _side(graph: Graph) -> Iterator[str]:
    yield "```mermaid\nflowchart TD"
    for name, imports in reduced(graph).items():
        for target in sorted(imports):
            yield f"    {_node(name)} --> {_node(target)}"
    yield "```\n"
    yield "| package | imports |\n|---|---|"
    for name, imports in graph.items():
        listed = ", ".join(f"`{target}`" for target in sorted(imports))
        yield f"| `{name}` | {listed or 'nothing'} |"
    yield ""


def _node(name: str) -> str:
    return f"{name.strip('_')}[{name.strip('_')}]"


if __name__ == "__main__":
    sys.exit(main())
