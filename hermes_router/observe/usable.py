"""Say why a profile cannot answer now: what a message to it would meet."""

from __future__ import annotations

import os
from pathlib import Path

import anyio.to_thread

from hermes_router.base.errors import ProfileError
from hermes_router.config.stamps import Stamp, stamp_of
from hermes_router.profiles import model
from hermes_router.profiles.config import SessionScopes
from hermes_router.profiles.model import Profile
from hermes_router.workers.memory.memory_watch import Room
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.worker_log import FILE_NAME


class Usable:
    """Looks at the profiles of the gateway at ``home``, and at how their workers have started."""

    def __init__(self, home: Path, workers: WorkerPool) -> None:
        self._home = home
        self._workers = workers
        self._configs = _ProfileConfigs()

    async def problems(self, name: str) -> tuple[str, str]:
        """Return why a profile cannot be used, and why its workers cannot be started.

        Each of the two is a text for people, "" if there is no such problem.
        """
        try:
            profile = await anyio.to_thread.run_sync(
                _looked_at, name, model.hermes_root(self._home)
            )
        except ProfileError as error:
            return model.in_one_line(error), ""
        unreadable = await self._configs.problem(profile)
        return unreadable, "" if unreadable else self._workers.start_problem(profile)

    def short_of_memory(self) -> str:
        """Return in words that memory is too short for any worker; "" if it is not."""
        room, free = self._workers.memory.room()
        if room is not Room.SHORT:
            return ""
        return f"memory is short, only {free // 1_000_000} MB are free"


class _ProfileConfigs:
    """Reads the ``config.yaml`` of profiles as a message does, but each one once per change."""

    def __init__(self) -> None:
        self._scopes = SessionScopes()
        self._problems: dict[str, tuple[Stamp, str]] = {}

    async def problem(self, profile: Profile) -> str:
        """Return why a profile's configuration cannot be read; "" if it can be."""
        stamp = stamp_of(str(profile.home / "config.yaml"))
        known = self._problems.get(profile.name)
        if known is None or known[0] != stamp:
            known = self._problems[profile.name] = (stamp, await self._read(profile))
        return known[1]

    async def _read(self, profile: Profile) -> str:
        try:
            await self._scopes.of(profile)
        except ProfileError as error:
            return model.in_one_line(error)
        return ""


def _looked_at(name: str, root: Path) -> Profile:
    """Return a profile with a home that can be written; this looks at files, so it blocks.

    Raises:
        ProfileError: there is no such profile, or its home or log cannot be written.
    """
    profile = model.find(name, root)
    model.check_writable(profile)
    _check_log(profile)
    return profile


def _check_log(profile: Profile) -> None:
    """Raise ``ProfileError`` if the profile's worker log cannot be opened, or cannot be made."""
    log = profile.logs / FILE_NAME
    if os.path.lexists(log):
        writable = log.is_file() and os.access(log, os.W_OK)
    else:
        writable = not profile.logs.exists() or os.access(profile.logs, os.W_OK | os.X_OK)
    if not writable or profile.logs.is_symlink() or log.is_symlink():
        raise ProfileError(
            "has a worker log that cannot be written", profile=profile.name, where=str(log)
        )
