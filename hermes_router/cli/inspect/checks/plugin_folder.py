"""Find a folder of our plugin with another router than Hermes imports, or in a profile's home.

Such a folder only names the plugin. The code comes from the Python packages of Hermes's own
environment. Hermes's package manager keeps both alike; where pip installed the router, nobody does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.inspect import layouts
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.protocol.system import sources

PLUGIN = "hermes-router"
#: Where a clone of the router has each of the two packages.
_IN_CLONE = {
    "hermes_router": "hermes_router",
    "hermes_router_worker": "worker/hermes_router_worker",
}


def folder_in(home: Path) -> Path:
    """Return where the plugin's folder is in a home, if it is there."""
    return home / "plugins" / PLUGIN


def look(home: GatewayHome) -> Iterator[Finding]:
    """Warn of a folder with another router, and of each folder in the home of another profile."""
    yield from _other_code(home)
    yield from _copies(home)


def _copies(home: GatewayHome) -> Iterator[Finding]:
    """Warn of copies that ``hermes profile create --clone`` has made."""
    for folder in sorted((home.root / "profiles").glob(f"*/plugins/{PLUGIN}")):
        copied_to = folder.parents[1]
        if copied_to == home.path:
            continue
        yield Finding(
            check="plugin-folder",
            severity="warning",
            what="the router's plugin belongs into the gateway's home alone: Hermes's package "
            "manager refuses a second one",
            where=str(folder),
            mend=home.hermes(f"plugins remove {PLUGIN}", copied_to.name),
            profile=copied_to.name,
        )


def _other_code(home: GatewayHome) -> Iterator[Finding]:
    folder = folder_in(home.path)
    if not (folder / "hermes_router").is_dir():
        return
    if all(_same(folder / place, sources.folder_of(name)) for name, place in _IN_CLONE.items()):
        return
    yield Finding(
        check="plugin-folder",
        severity="warning",
        what="this folder holds another hermes-router than the one that answers: Hermes imports "
        f"{sources.folder_of('hermes_router')}",
        where=str(folder),
        mend=_mend(home, folder),
    )


def _same(ours: Path, imported: Path | None) -> bool:
    return imported is not None and _files(ours) == _files(imported)


def _files(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): sources.content(file) for file in folder.rglob("*.py")}


def _mend(home: GatewayHome, folder: Path) -> str:
    layout = layouts.here()
    if layout.kind == "managed":
        return f"{home.hermes('pm install')}; then {home.restart}"
    install = layout.install_from(str(folder))
    return f"{install}; or remove the folder: {home.hermes(f'plugins remove {PLUGIN}')}"
