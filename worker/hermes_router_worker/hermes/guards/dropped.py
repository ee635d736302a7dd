"""Attachments that Hermes left out: people who wait for one are told which, and why.

Hermes itself only writes a line into its log. A turn, or a job, collects the files that were
dropped while it ran.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.guards.media import why_refused

logger = logging.getLogger(__name__)


class Dropped:
    """Collects the files of an answer that were not attached, with the reasons.

    ``late`` is called with the text about a file that is added after :meth:`take`.
    """

    def __init__(self, late: Callable[[str], None] | None = None) -> None:
        self._late = late
        self._seen: set[str] = set()
        self._untold: list[str] = []
        self._over = False

    def add(self, name: str, why: str) -> None:
        """Add a file that was not attached, each name once, and log it.

        After :meth:`take`, the text about it goes to ``late`` at once.
        """
        if name in self._seen:
            return
        self._seen.add(name)
        self._untold.append(f"⚠️ {Path(name).name} was not attached: {why}.")
        logger.warning("%s was not attached: %s", name, why)
        if self._over and self._late is not None:
            self._late(self.take())

    def take(self) -> str:
        """Return the text about the files so far, for people; "" if there are none.

        Called when the answer has been sent. From now on, ``late`` is called for each further file.
        """
        self._over, text = True, "\n".join(self._untold)
        self._untold.clear()
        return text


_collecting: ContextVar[Dropped | None] = ContextVar("dropped", default=None)


@contextmanager
def collected(late: Callable[[str], None] | None = None) -> Iterator[Dropped]:
    """Collect the files that are not attached in the block, and in tasks that the block starts.

    The adapter wraps the processing of a message in it, cron the delivery of a job. ``late`` is as
    in :class:`Dropped`.
    """
    found = Dropped(late)
    token = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(token)


def note(name: str, why: str) -> None:
    """Add a file that is not attached to what the :func:`collected` block around here collects.

    Outside such a block, nothing happens.
    """
    found = _collecting.get()
    if found is not None:
        found.add(name, why)


def watch_filters(module: ModuleType) -> None:
    """Have people told of the files that Hermes's two filters of attachments remove from a reply.

    ``module`` is ``gateway.platforms.base``.
    """
    adapter = module.BasePlatformAdapter
    of_media = functools.partial(_watching, module, lambda item: str(item[0]))
    replacements.MEDIA_FILTER.replace(of_media, on=adapter)
    replacements.FILE_FILTER.replace(functools.partial(_watching, module, str), on=adapter)


def _watching(module: ModuleType, name_of: Callable[[Any], str], original: Any) -> Any:
    @functools.wraps(original)
    def filtered(items: Any, *args: Any, **options: Any) -> Any:
        kept = original(items, *args, **options)
        if len(kept) < len(items or ()):
            for path in map(name_of, items):
                if module.validate_media_delivery_path(path) is None:
                    note(path, why_refused(path))
        return kept

    return staticmethod(filtered)


def tell_of_jobs(module: ModuleType) -> None:
    """Have cron tell the place where a job delivers which of the job's files were dropped.

    ``module`` is ``cron.scheduler``.
    """

    def telling(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def deliver(job: Any, content: str, *args: Any, **options: Any) -> Any:
            with collected() as dropped:
                failed = original(job, content, *args, **options)
            if text := dropped.take():
                failed = original(job, text, *args, **options) or failed
            return failed

        return deliver

    replacements.DELIVER_RESULT.replace(telling, on=module)
