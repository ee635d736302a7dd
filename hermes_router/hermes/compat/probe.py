"""``python -m hermes_router.hermes.compat.probe``: ask the installed Hermes for ``doctor``.

It runs in a process of its own, because it imports Hermes. The arguments are configuration files.
For each file, the answer says why Hermes cannot read it, and whether a newer Hermes wrote its home.
The answer is one line of JSON, the last line on standard output; Hermes may print other lines
before it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.hermes.compat.home_stamps import newer_than_installed
from hermes_router.hermes.compat.replacing import patches
from hermes_router.hermes.compat.seams import gateway_runner, required, sending
from hermes_router.protocol.system.versions import hermes_version

#: The libraries outside Hermes that each platform's adapter imports.
LIBRARIES = {
    "telegram": ("telegram",),
    "discord": ("discord",),
    "slack": ("slack_bolt",),
    "matrix": ("mautrix", "nio"),
}

#: Seconds that a plugin has to install the swap: Hermes may load it in a thread.
_SECONDS = 10.0


def answer(files: list[str]) -> dict[str, Any]:
    """Import Hermes and its plugins as a gateway does; return what ``doctor`` reports about them.

    ``files`` are paths of configuration files. This takes seconds.
    """
    # Hermes's main module reads -p from here, and sets up the home while it is imported.
    sys.argv = ["hermes", "gateway", "status"]
    importlib.import_module("hermes_cli.main")
    plugins = importlib.import_module("hermes_cli.plugins")
    plugins.discover_plugins()
    gateway = importlib.import_module("gateway.run")
    return {
        "hermes": hermes_version(),
        "home": str(gateway_runner.hermes_home()),
        "missing": required.missing(gateway),
        "replaced": [patch.described() for patch in patches.PATCHES],
        "swapped": _swapped(gateway),
        "plugin": _plugin(plugins),
        "isolation": _isolation(),
        "unreadable": {file: why for file in files if (why := _unreadable(Path(file)))},
        "newer": {
            file: found for file in files if (found := newer_than_installed(Path(file).parent))
        },
        "libraries": {
            platform: any(importlib.util.find_spec(name) for name in names)
            for platform, names in LIBRARIES.items()
        },
        "platforms": sorted(sending.known_platforms()),
    }


def _swapped(gateway: Any) -> bool:
    """Say whether the swap is installed; wait for it, as Hermes may load plugins in a thread."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if getattr(gateway.GatewayRunner, "_hermes_router_swapped", False):
            return True
        time.sleep(0.1)
    return False


def _plugin(plugins: Any) -> dict[str, str] | None:
    """Return what Hermes says about our plugin; None if it does not know the plugin."""
    for plugin in plugins.get_plugin_manager().list_plugins():
        if plugin["name"] == "hermes-router":
            return {"source": str(plugin["source"]), "error": str(plugin["error"] or "")}
    return None


def _isolation() -> str:
    """Return where Hermes runs other people's plugins: in its own process, or in another."""
    try:
        config = importlib.import_module("hermes_cli.config").load_config()
        return str((config.get("plugins") or {}).get("isolation") or "")
    except Exception:  # noqa: BLE001 - `unreadable` reports a broken configuration
        return ""


def _unreadable(file: Path) -> str:
    """Return why Hermes's YAML reader cannot read a file; Hermes then ignores the whole file."""
    try:
        text = file.read_text("utf-8-sig")
        _load(text)
    except FileNotFoundError:
        return ""
    except Exception as error:  # noqa: BLE001 - after any error, Hermes goes on without the file
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _load(text: str) -> Any:
    utils = importlib.import_module("utils")
    load = getattr(utils, "fast_safe_load", None)
    return load(text) if load is not None else importlib.import_module("yaml").safe_load(text)


if __name__ == "__main__":
    sys.stdout.write(f"\n{msgspec.json.encode(answer(sys.argv[1:])).decode()}\n")
