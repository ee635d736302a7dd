"""The one way in which a worker replaces a function of Hermes.

A :class:`Patch` says what is replaced, where Hermes looks it up, and why. All patches of the worker
are listed in :mod:`.replacements`. ``replace`` applies one; a required one that this Hermes lacks
raises :class:`MissingPoint`, so that the worker does not start at all.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any

from hermes_router.protocol.system.versions import hermes_version


class MissingPoint(Exception):
    """Hermes has no such member, and a worker without it would harm the profile's state."""

    def __init__(self, owner: str, name: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(
            f"Hermes {hermes_version()} has no {owner}.{name}, which hermes-router needs{reason};"
            " see the supported versions in the README"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch:
    """One function of Hermes that a worker replaces.

    ``owner`` is the module, or ``module:Class``, whose member the caller reads when it calls: a
    re-export elsewhere does not count. ``until`` is the last version that has it.
    """

    owner: str
    name: str
    why: str
    since: str = "0.19"
    until: str | None = None
    required: bool = True

    @property
    def where(self) -> str:
        """Return the full name, as people read it."""
        return f"{self.owner.replace(':', '.')}.{self.name}"

    def find(self) -> Any:
        """Return the object that has the member. Imports its module.

        Raises:
            ImportError, AttributeError: this Hermes has no such module or class.
        """
        module, _, path = self.owner.partition(":")
        found: Any = importlib.import_module(module)
        return functools.reduce(getattr, path.split("."), found) if path else found

    def present(self) -> bool:
        """Return True if this Hermes has the member."""
        try:
            return hasattr(self.find(), self.name)
        except (ImportError, AttributeError):
            return False

    def replace(self, wrapper: Callable[[Any], Any], *, on: Any = None) -> bool:
        """Put ``wrapper(original)`` in place of the original; return False if there is none.

        ``on`` is the instance to change, where only one is meant. A member that is already
        replaced by this patch stays as it is, so that a template and its worker may both ask.

        Raises:
            MissingPoint: the patch is required and this Hermes lacks the member.
        """
        original = self._original(on)
        if original is None:
            if self.required:
                raise MissingPoint(self.owner, self.name, self.why)
            return False
        owner = self.find() if on is None else on
        if (id(owner), self) not in _applied:
            setattr(owner, self.name, wrapper(original))
            _applied[id(owner), self] = (owner, original)
        return True

    def restore(self) -> None:
        """Put the original back where this patch replaced a member of its module or class."""
        if not self.present():
            return
        owner = self.find()
        applied = _applied.pop((id(owner), self), None)
        if applied is not None:
            setattr(owner, self.name, applied[1])

    def _original(self, on: Any) -> Any:
        try:
            return getattr(self.find() if on is None else on, self.name, None)
        except (ImportError, AttributeError):
            return None


#: By the owner's identity: owner and original. It holds the owner, so that no other object can get
#: its identity.
_applied: dict[tuple[int, Patch], tuple[Any, Any]] = {}


def applied() -> list[Patch]:
    """Return the patches that this process has applied, each once."""
    return list(dict.fromkeys(patch for _owner, patch in _applied))


def missing(patches: Iterable[Patch]) -> list[Patch]:
    """Return those that the installed Hermes lacks. Imports what they change."""
    return [patch for patch in patches if not patch.present()]


def require(owner: Any, name: str) -> Any:
    """Return ``owner.name``, a member that is read and not replaced.

    Raises:
        MissingPoint: this Hermes lacks it.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        where = getattr(owner, "__name__", type(owner).__name__)
        raise MissingPoint(where, name) from None


def do_nothing(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for what a worker must not do."""
