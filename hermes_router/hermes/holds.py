"""Say for the status why Hermes itself begins no new turn now: it stops, drains, or is paused.

A stop or a drain of the gateway, and a pause of its home or of the root, hold in every place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hermes_router.base.errors import ProfileError
from hermes_router.hermes.compat import emergency_stop
from hermes_router.hermes.compat.seams import gateway_runner
from hermes_router.profiles import model
from hermes_router.profiles.commands import of_running


def holds(runner: Any, home: Path, root: Path, names: Iterable[str]) -> list[str]:
    """Return a line for people for each reason why no turn begins now, with the places and its end.

    The list is empty if there is none. ``home`` is the gateway's, ``names`` are the routed
    profiles. This looks at files, so it blocks.
    """
    return [*_of_gateway(runner, home), *_of_pauses(home, root, names)]


def _of_gateway(runner: Any, home: Path) -> Iterator[str]:
    if gateway_runner.shutting_down(runner):
        doing = gateway_runner.going_down(runner)
        yield f"every routed place: the gateway is {doing}; no new turn begins until it runs again"
    elif gateway_runner.drained_externally(runner):
        file = gateway_runner.drain_request(home)
        yield (
            "every routed place: another program drains the gateway; no new turn begins until "
            f"{file} is removed or has expired"
        )


def _of_pauses(home: Path, root: Path, names: Iterable[str]) -> Iterator[str]:
    of_all = {root: "default", home: model.profile_name_of(home)}
    for where, name in of_all.items():
        if (file := emergency_stop.pause_file(where)) is not None:
            yield f"every routed place: Hermes is paused{_until_resumed(home, file, name)}"
    for name in names:
        with contextlib.suppress(ProfileError):
            where = model.find(name, root).home
            file = emergency_stop.pause_file(where) if where not in of_all else None
            if file is not None:
                yield f"places of {name}: the profile is paused{_until_resumed(home, file, name)}"


def _until_resumed(home: Path, file: Path, profile: str) -> str:
    """Return the rest of the line about a pause of this profile's home: its file and its end."""
    resume = of_running(home).hermes("resume", profile)
    return f" ({file}); no new turn begins until somebody runs {resume}"
