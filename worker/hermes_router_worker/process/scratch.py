"""A worker's TMPDIR in the private ``/tmp`` of a sandbox, where the gateway cannot make it."""

from __future__ import annotations

import os
from pathlib import Path

#: Tells the processes of a worker that they are in a sandbox.
SANDBOX_VARIABLE = "HERMES_ROUTER_SANDBOX"


def move_into(folder: str) -> None:
    """Make a folder below ``folder`` that has the name of TMPDIR's, and set TMPDIR to it.

    A worker or template calls it first in a sandbox, whose private ``/tmp`` the gateway cannot
    reach. The environment then also says, by :data:`SANDBOX_VARIABLE`, that this is a sandbox. Both
    hold for this process and the processes that it starts.
    """
    path = Path(folder) / Path(os.environ["TMPDIR"]).name
    path.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = str(path)
    os.environ[SANDBOX_VARIABLE] = "1"
