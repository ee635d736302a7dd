"""The configuration in force: an edit counts from the next message on, a broken one never does.

Asking costs one ``stat`` per watched file. When a file changed, the message that notices waits
until the new configuration has been read, in a thread; the others meanwhile wait with it and the
event loop goes on. A file is taken only when it stayed the same while it was read and for a moment
before, so that a half-written one is not: an editor that truncates and then writes is waited for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import anyio.to_thread

from hermes_router.config.changes import changes
from hermes_router.config.model import RouterConfig, vanished
from hermes_router.errors import ConfigError, Problem

log = logging.getLogger(__name__)

SETTLED = 0.05
"""Seconds that a file must have been left alone before what it holds is believed."""

PATIENCE = 0.5
"""Seconds to wait for a file to rest, at most."""

ATTEMPTS = 3
"""Readings after which a file that never rests is left for the next message."""

Stamp = tuple[int, int, int, int] | None
Stamps = dict[str, Stamp]


class ConfigWatcher:
    """Holds the configuration of *path*, read by *load*, and follows edits.

    *load* returns the configuration or raises :class:`ConfigError`: a partial of
    :func:`hermes_router.config.load`. The first reading happens on the first call, or in
    :meth:`reload`. Safe to use from several threads.
    """

    def __init__(self, path: Path | str, load: Callable[[], RouterConfig]) -> None:
        self._load = load
        self._path = str(path)
        self._files: tuple[str, ...] = (self._path,)
        self._seen: Stamps | None = None
        self._config: RouterConfig | None = None
        self._error: ConfigError | None = None
        self._reading = threading.Lock()
        self._turnstile = anyio.Lock()

    @property
    def error(self) -> ConfigError | None:
        """Why the last edit was refused; ``None`` when the files as they are are in force."""
        return self._error

    @property
    def snapshot(self) -> RouterConfig | None:
        """The configuration in force, without looking at the files."""
        return self._config

    async def fresh(self) -> RouterConfig:
        """Return the configuration of the files as they are now, or else the last good one.

        Raises:
            ConfigError: there never was a good one.
        """
        if self._changed():
            async with self._turnstile:
                if self._changed():
                    await anyio.to_thread.run_sync(self.reload)
        return self._in_force()

    def current(self) -> RouterConfig:
        """Do what :meth:`fresh` does, reading in the calling thread: not for the event loop."""
        if self._changed():
            self.reload()
        return self._in_force()

    def reload(self) -> None:
        """Read the files if they changed; keep the last good configuration if they are broken."""
        with self._reading:
            if self._changed():
                self._read()

    def _changed(self) -> bool:
        return self._stamps() != self._seen

    def _in_force(self) -> RouterConfig:
        config = self._config
        if config is None:
            raise self._error or ConfigError([Problem(file=self._path, message="not read yet")])
        return config

    def _stamps(self) -> Stamps:
        return {file: _stamp(file) for file in self._files}

    def _read(self) -> None:
        for _ in range(ATTEMPTS):
            before = self._rested()
            started = time.time()
            config, error = self._attempt()
            self._files = self._watched(config, error)
            after = self._stamps()
            if _unchanged(before, after, started):
                self._take(config, error)
                self._seen = after
                return
        if self._config is None:  # better than nothing; the next message looks again
            self._take(config, error)

    def _rested(self) -> Stamps:
        """Wait until the files have rested for a moment, and return their stamps; else nothing."""
        deadline = time.monotonic() + PATIENCE
        while True:
            stamps = self._stamps()
            age = min(_age(stamp, time.time()) for stamp in stamps.values())
            if age >= SETTLED or age < 0:  # clocks that disagree tell nothing
                return stamps
            if time.monotonic() > deadline:
                return {}
            time.sleep(SETTLED - age)

    def _attempt(self) -> tuple[RouterConfig | None, ConfigError | None]:
        try:
            config = self._load()
        except ConfigError as error:
            return None, error
        except Exception as error:  # a bug here must not stop what the last good table can route
            log.exception("reading %s failed", self._path)
            message = f"cannot be read, by a fault of the router: {error!r}"
            return None, ConfigError([Problem(file=self._path, message=message)])
        gone = self._vanished()
        return (None, gone) if gone else (config, None)

    def _vanished(self) -> ConfigError | None:
        """Refuse a file that an edit emptied or removed: a mistake, or an edit under way."""
        return vanished(self._path) if self._config is not None else None

    def _watched(self, config: RouterConfig | None, error: ConfigError | None) -> tuple[str, ...]:
        named: Iterable[Path | str] = config.files if config else error.files if error else ()
        return tuple(dict.fromkeys((self._path, *(str(file) for file in named))))

    def _take(self, config: RouterConfig | None, error: ConfigError | None) -> None:
        if config is not None:
            before, self._config = self._config, config
            for line in changes(before, config) if before is not None else ():
                log.info("configuration: %s", line)
            log.info("configuration %s: %d routes", self._path, len(config.table))
            for problem in config.problems:
                log.warning("%s", problem)
            for profile, what in config.shared():
                log.info("shared with the profile %s: %s", profile, what)
        else:
            kept = "the last good one stays in force" if self._config else "nothing is routed"
            log.error("configuration refused, %s: %s", kept, error)
        self._error = error


def _stamp(file: str) -> Stamp:
    try:
        info = os.stat(file)  # noqa: PTH116 - on the path of every message
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino, info.st_ctime_ns


def _age(stamp: Stamp, now: float) -> float:
    """Return for how long a file has been left alone; a missing one counts as rested."""
    return now - max(stamp[0], stamp[3]) / 1e9 if stamp else SETTLED


def _unchanged(before: Stamps, after: Stamps, started: float) -> bool:
    """Whether no file changed while it was read; *before* may not know all of them."""
    return all(
        before[file] == stamp if file in before else _age(stamp, started) >= SETTLED
        for file, stamp in after.items()
    )
