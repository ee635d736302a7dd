"""``python -m hermes_router.hermes.compat.probe``: what the doctor asks the installed Hermes.

Runs in a process of its own, because asking imports Hermes. The answer is one line of JSON, the
last one on standard output; whatever Hermes prints comes before it.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from hermes_router.hermes.compat import seams
from hermes_router.protocol.versions import hermes_version


def answer() -> dict[str, Any]:
    """Load Hermes as a gateway does and look at it."""
    # Hermes's main module reads -p from here, and sets up the home while it is imported.
    sys.argv = ["hermes", "gateway", "status"]
    importlib.import_module("hermes_cli.main")
    importlib.import_module("hermes_cli.plugins").discover_plugins()
    gateway = importlib.import_module("gateway.run")
    return {
        "hermes": hermes_version(),
        "home": str(seams.hermes_home()),
        "missing": seams.missing(gateway),
        "swapped": bool(getattr(gateway.GatewayRunner, "_hermes_router_swapped", False)),
        "platforms": sorted(seams.known_platforms()),
    }


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(answer())}\n")
