"""How long one turn waits for its worker."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hermes_router.base.errors import NotWanted
from hermes_router.base.tasks import Cancellable


class Patience:
    """How long one turn waits for its worker; it may be made outside of the event loop.

    The turn has one, and passes it to the pool. ``given_up`` is True if the turn wants no worker
    any more.
    """

    def __init__(self) -> None:
        self.given_up = False
        self._waiting = Cancellable()

    def wait(self) -> AbstractContextManager[None]:
        """Return a context manager whose block ends early when :meth:`lose` is called.

        If it was called before, the block ends at its first wait. The pool waits in such blocks.
        """
        return self._waiting.block()

    def lose(self) -> None:
        """Wait no longer for a processor or for what is being prepared: start a worker at once.

        A turn calls this for /stop, which must reach the worker soon.
        """
        self._waiting.cancel()

    def give_up(self) -> None:
        """Wait no longer, and start no worker, because nobody needs it any more."""
        self.given_up = True
        self.lose()

    def require_wanted(self, profile: str) -> None:
        """Do nothing if the turn still wants a worker of ``profile``.

        Raises:
            NotWanted: the turn gave up.
        """
        if self.given_up:
            raise NotWanted("no worker was started: nobody waits for it", profile=profile)
