"""``python -m hermes_router_worker.hermes.probe``: the functions of Hermes that a worker replaces.

``doctor`` runs this in a process of its own, because it imports Hermes. The answer is one line of
JSON, the last line on standard output; Hermes may print other lines before it.
"""

from __future__ import annotations

import sys

import msgspec

from hermes_router.protocol.replacements import Replacement
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.startup import program


def answer() -> dict[str, list[Replacement]]:
    """Load Hermes as a worker does, and return the functions that a worker would replace.

    Nothing is replaced. The list is under the key ``replaced``.
    """
    # Hermes's main module reads -p from here, and sets up the home while it is imported.
    sys.argv = ["hermes", "gateway", "status"]
    program.command_line()
    return {"replaced": [patch.described() for patch in replacements.all_patches()]}


if __name__ == "__main__":
    sys.stdout.write(f"\n{msgspec.json.encode(answer()).decode()}\n")
