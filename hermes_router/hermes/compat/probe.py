"""``python -m hermes_router.hermes.compat.probe``: what the doctor asks the installed Hermes.

Runs in a process of its own, because asking imports Hermes. The arguments are configuration files;
the answer says of each why Hermes cannot read it. The answer is one line of JSON, the last one on
standard output; whatever Hermes prints comes before it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from hermes_router.hermes.compat import seams
from hermes_router.protocol.system.versions import hermes_version

#: What each platform's adapter imports from outside Hermes.
LIBRARIES = {
    "telegram": ("telegram",),
    "discord": ("discord",),
    "slack": ("slack_bolt",),
    "matrix": ("mautrix", "nio"),
}

#: Seconds in which a plugin that Hermes loads beside its start has taken its place.
_SECONDS = 10.0


def answer(files: list[str]) -> dict[str, Any]:
    """Load Hermes as a gateway does and look at it."""
    # Hermes's main module reads -p from here, and sets up the home while it is imported.
    sys.argv = ["hermes", "gateway", "status"]
    importlib.import_module("hermes_cli.main")
    plugins = importlib.import_module("hermes_cli.plugins")
    plugins.discover_plugins()
    gateway = importlib.import_module("gateway.run")
    return {
        "hermes": hermes_version(),
        "home": str(seams.hermes_home()),
        "missing": seams.missing(gateway),
        "swapped": _swapped(gateway),
        "plugin": _plugin(plugins),
        "isolation": _isolation(),
        "unreadable": {file: why for file in files if (why := _unreadable(Path(file)))},
        "libraries": {
            platform: any(importlib.util.find_spec(name) for name in names)
            for platform, names in LIBRARIES.items()
        },
        "platforms": sorted(seams.known_platforms()),
    }


def _swapped(gateway: Any) -> bool:
    """Say whether the dispatcher has been replaced; Hermes may load plugins in a thread."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if getattr(gateway.GatewayRunner, "_hermes_router_swapped", False):
            return True
        time.sleep(0.1)
    return False


def _plugin(plugins: Any) -> dict[str, str] | None:
    """Return what Hermes says about our plugin; None where it does not know it."""
    manager = plugins.get_plugin_manager()
    for loaded in getattr(manager, "_plugins", {}).values():
        manifest = getattr(loaded, "manifest", None)
        if getattr(manifest, "name", "") == "hermes-router":
            return {
                "source": str(getattr(manifest, "source", "")),
                "error": str(getattr(loaded, "error", None) or ""),
            }
    return None


def _isolation() -> str:
    """Return where Hermes runs the plugins of others: in its own process, or in another."""
    try:
        config = importlib.import_module("hermes_cli.config").load_config()
        return str((config.get("plugins") or {}).get("isolation") or "")
    except Exception:  # noqa: BLE001 - a broken configuration is told by `unreadable`
        return ""


def _unreadable(file: Path) -> str:
    """Return why Hermes's own YAML reader cannot read a file: it then ignores all of it."""
    try:
        text = file.read_text("utf-8-sig")
        _load(text)
    except FileNotFoundError:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever it raises, Hermes goes on without the file
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _load(text: str) -> Any:
    utils = importlib.import_module("utils")
    load = getattr(utils, "fast_safe_load", None)
    return load(text) if load is not None else importlib.import_module("yaml").safe_load(text)


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(answer(sys.argv[1:]))}\n")
