"""How long one turn waits for its worker."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hermes_router.base.errors import NotWanted
from hermes_router.base.tasks import Cancellable


class Patience:
    """How long one turn waits for its worker; it may be made outside of the event loop."""

    def __init__(self) -> None:
        self.given_up = False
        self._waiting = Cancellable()

    def wait(self) -> AbstractContextManager[None]:
        """End what the block waits for when :meth:`lose` is called, or if it was called before."""
        return self._waiting.block()

    def lose(self) -> None:
        """Wait no longer for a processor or for what is being prepared: start a worker at once."""
        self._waiting.cancel()

    def give_up(self) -> None:
        """Wait no longer, and start no worker."""
        self.given_up = True
        self.lose()

    def require_wanted(self, profile: str) -> None:
        """Do nothing if the turn still wants a worker of ``profile``.

        Raises:
            NotWanted: the turn gave up.
        """
        if self.given_up:
            raise NotWanted("no worker was started: nobody waits for it", profile=profile)
