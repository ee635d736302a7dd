"""Describe a function of Hermes that the gateway or a worker replaces, for ``doctor``."""

from __future__ import annotations

import msgspec

from hermes_router.protocol.system.versions import hermes_version, release


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """One replaced function of Hermes, with the reason and the versions that have the function."""

    function: str
    """The full name of the function."""
    why: str
    since: str
    """The first supported version of Hermes that has the function."""
    until: str | None = None
    """The last version that has the function; None if there is no last one yet."""
    required: bool
    found: bool
    """True if the installed Hermes has the function."""

    def expected(self, version: str | None = None) -> bool:
        """Return True if Hermes has the function in ``version``, by ``since`` and ``until``.

        The default is the installed version. This does not look into Hermes.
        """
        numbers = release(version or hermes_version() or "")
        last = release(self.until or "")
        return numbers >= release(self.since) and (not last or numbers[: len(last)] <= last)

    @property
    def missing(self) -> bool:
        """True if the installed Hermes lacks the function, although the router expects it there."""
        return not self.found and (self.required or self.expected())
