"""How much of Hermes is known: functions that are replaced, and private names that are touched.

A private name is one that begins with an underscore, is read, set or named in the product where
Hermes's objects are handled, and stands in the installed Hermes's source. A name that the same file
defines itself is its own.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from hermes_router.hermes.compat.replacing import adapter_patches, patches
from hermes_router.protocol.system.versions import hermes_package
from hermes_router_worker.hermes import replacements

_PRIVATE = re.compile(r"_[A-Za-z][A-Za-z0-9_]*")
_WORD = re.compile(r"(?<![A-Za-z0-9])_[A-Za-z][A-Za-z0-9_]*")

#: Where Hermes's objects are handled; the rest of the gateway's side has none in its hands.
_HANDLES = ("hermes_router/hermes/", "worker/hermes_router_worker/")

#: A table of all that Hermes does at its start; nothing in it is touched.
_TABLES = frozenset({"worker/hermes_router_worker/startup/startup_table.py"})

#: Members of Python's own objects that Hermes's source names as well.
_PYTHONS = frozenset({"_exit"})

#: Names that are somebody else's in one file, though Hermes has such a name as well.
_OTHERS = frozenset(
    {
        # the HTTP client of Telegram's library
        ("_client", "hermes_router/hermes/compat/adapters/asked.py"),
        # a key of config.yaml
        ("_config_version", "hermes_router/hermes/compat/home_stamps.py"),
        # the thread of Python's own QueueListener
        ("_thread", "worker/hermes_router_worker/hermes/startup/logs.py"),
    }
)


def report(root: Path, sources: tuple[str, ...], rooms: tuple[str, ...]) -> str:
    """Return the figures, a line for each."""
    names = private_names(root, sources)
    out = {
        name: sorted(f for f in files if not f.startswith(rooms)) for name, files in names.items()
    }
    lines = [
        f"{len(gateway_replaced())} functions replaced by the gateway's side",
        f"{len(worker_replaced())} functions replaced by a worker",
        f"{len(names)} private names touched, {sum(map(bool, out.values()))} of them outside",
        f"{len({file for files in out.values() for file in files})} files outside touch one",
        *(f"  {name}: {', '.join(files)}" for name, files in sorted(out.items()) if files),
    ]
    return "\n".join(lines)


def gateway_replaced() -> set[str]:
    """Return the functions of Hermes that the gateway's side replaces, by name."""
    adapters = [one for one in vars(adapter_patches).values() if isinstance(one, _ADAPTERS)]
    listed = {patch.name for patch in patches.PATCHES}
    return {patch.label for patch in patches.PATCHES} | {
        f"{one.platform}.{one.name}" for one in adapters if one.name not in listed
    }


_ADAPTERS = adapter_patches.Replaced


def worker_replaced() -> set[str]:
    """Return the functions of Hermes that a worker replaces, by name."""
    return {patch.where for patch in replacements.all_patches()}


def private_names(root: Path, sources: tuple[str, ...]) -> dict[str, set[str]]:
    """Return Hermes's private names that the product touches, each with the files that do."""
    known, found = _hermes_words(), defaultdict(set)
    for folder in sources:
        for file in (root / folder).rglob("*.py"):
            path = str(file.relative_to(root))
            if path.startswith(_HANDLES) and path not in _TABLES:
                for name in _touched(ast.parse(file.read_text("utf-8"))):
                    if name in known and name not in _PYTHONS and (name, path) not in _OTHERS:
                        found[name].add(path)
    return dict(found)


def _hermes_words() -> set[str]:
    package = hermes_package()
    if package is None:
        raise SystemExit("Hermes is not installed in this Python")
    root, words = package.parent, set()
    tops = ("agent", "cron", "gateway", "hermes_cli", "plugins", "tools")
    files = [*root.glob("*.py"), *(file for top in tops for file in (root / top).rglob("*.py"))]
    for file in files:
        words.update(_WORD.findall(file.read_text("utf-8", "replace")))
    return words


def _touched(tree: ast.Module) -> Iterator[str]:
    own = set(_defined(tree))
    pieces = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if id(node) in pieces:
            continue
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
        else:
            continue
        if _PRIVATE.fullmatch(name) and not name.startswith("__") and name not in own:
            yield name


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and _is_own(node):
            yield node.attr


def _is_own(node: ast.Attribute) -> bool:
    """Say whether a method sets an attribute of its own object."""
    owner = node.value
    return (
        isinstance(node.ctx, ast.Store)
        and isinstance(owner, ast.Name)
        and owner.id in {"self", "cls"}
    )
