"""Whether the gateway can write in its own home: without that, Hermes starts with its defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.inspect.profile import obstacles


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield an error if the home of the gateway cannot be written by this user."""
    home = loaded.home.path
    obstacle = obstacles.of_folder(home, home)
    if obstacle is None:
        return
    what, mend = f"the gateway's home {obstacle.what}", obstacle.mend
    if home.stat().st_uid != os.geteuid():  # another user's gateway may well write there
        what, mend = f"this user cannot write in the gateway's home: {home}", _AS_ITS_USER
    yield Finding(check="gateway-home", severity="error", what=what, where=str(home), mend=mend)


_AS_ITS_USER = "run this as the user that runs the gateway"
