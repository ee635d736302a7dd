"""The configuration in force: an edit takes effect with the next message, a broken one never.

Asking costs one ``stat`` per watched file. When a file has changed, the message that notices it
waits until a thread has read the new configuration. Messages that come meanwhile wait too, and the
event loop goes on. A file counts only if it did not change while it was read, nor shortly before.
So an editor that first empties the file and then writes it cannot cause a half-read one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio

from hermes_router.base.errors import ConfigError, Problem
from hermes_router.base.tasks import in_thread
from hermes_router.config.changes import changes
from hermes_router.config.model import RouterConfig, vanished
from hermes_router.config.stamps import Stamp, Stamps, stamp_of

log = logging.getLogger(__name__)

SETTLED = 0.05
"""Seconds without a change before a file's content counts."""

PATIENCE = 0.5
"""Seconds to wait, at most, for a file to stop changing."""

ATTEMPTS = 3
"""How many times a file that keeps changing is read before the next message tries again."""


class ConfigWatcher:
    """Holds the configuration of *path* that the gateway uses now, and follows edits.

    *load* reads it, and returns the configuration or raises :class:`ConfigError`: a partial of
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
        """Why the last edit was refused; None if the gateway uses the files as last read."""
        return self._error

    @property
    def snapshot(self) -> RouterConfig | None:
        """The configuration that the gateway uses now, without a look at the files.

        It is None if no configuration could be read since the start.
        """
        return self._config

    @property
    def seen(self) -> Stamps:
        """The stamps of the watched files as they were when they were last read, by path."""
        return self._seen or {}

    async def fresh(self) -> RouterConfig:
        """Return the configuration of the files as they are now, or else the last good one.

        The gateway calls it for each message. Changed files are read in a thread, and the caller
        waits for that.

        Raises:
            ConfigError: no configuration could be read since the start.
        """
        if self._changed():
            async with self._turnstile:
                if self._changed():
                    await in_thread(self.reload)
        return self._in_force()

    def current(self) -> RouterConfig:
        """Return what :meth:`fresh` returns, but read changed files in the calling thread.

        Do not call it on the event loop.

        Raises:
            ConfigError: no configuration could be read since the start.
        """
        if self._changed():
            self.reload()
        return self._in_force()

    def reload(self) -> None:
        """Read the files if they changed; keep the last good configuration if they are broken.

        This never raises; :attr:`error` then says what is wrong.
        """
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
        return {file: stamp_of(file) for file in self._files}

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
        if self._config is None:  # better than none; the next message looks again
            self._take(config, error)

    def _rested(self) -> Stamps:
        """Wait until no file has changed for a moment; return their stamps, or {} after a limit."""
        deadline = time.monotonic() + PATIENCE
        while True:
            stamps = self._stamps()
            age = min(_age(stamp, time.time()) for stamp in stamps.values())
            if age >= SETTLED or age < 0:  # the clocks differ, so an age says nothing
                return stamps
            if time.monotonic() > deadline:
                return {}
            time.sleep(SETTLED - age)

    def _attempt(self) -> tuple[RouterConfig | None, ConfigError | None]:
        try:
            config = self._load()
        except ConfigError as error:
            return None, error
        except Exception as error:  # with a bug here, the last good table must still route
            log.exception("the router failed to read %s", self._path)
            message = f"cannot be read, because of a bug in hermes-router: {error!r}"
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


def _age(stamp: Stamp, now: float) -> float:
    """Return for how many seconds a file has not changed; a missing file counts as unchanged."""
    return now - max(stamp[0], stamp[3]) / 1e9 if stamp else SETTLED


def _unchanged(before: Stamps, after: Stamps, started: float) -> bool:
    """Return whether no file changed while it was read; *before* may not have all of them."""
    return all(
        before[file] == stamp if file in before else _age(stamp, started) >= SETTLED
        for file, stamp in after.items()
    )
