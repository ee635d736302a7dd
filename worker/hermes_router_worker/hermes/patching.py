"""The one way in which a worker replaces a function of Hermes.

A :class:`Patch` says what is replaced, where Hermes looks it up, and why. :mod:`.replacements`
lists all patches of the worker. ``replace`` applies a patch. If the patch is required and this
Hermes lacks the function, ``replace`` raises :class:`MissingPoint` and the worker does not start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any

from hermes_router.protocol.replacements import Replacement
from hermes_router.protocol.system.versions import hermes_version


class MissingPoint(Exception):
    """Hermes lacks a member without which a worker would harm the profile's state.

    No worker starts then; the message names the member.
    """

    def __init__(self, owner: str, name: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(
            f"Hermes {hermes_version()} has no {owner}.{name}, which hermes-router "
            f"needs{reason}; install a version of Hermes that the README lists"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch:
    """One function of Hermes that a worker replaces.

    ``owner`` is the module, or ``module:Class``, whose member the caller reads when it calls. A
    module that only re-exports the member does not count. ``formerly`` is the owner in versions
    before Hermes moved the member to ``owner``. ``until`` is the last Hermes version that has the
    member.
    """

    owner: str
    name: str
    why: str
    formerly: str = ""
    since: str = "0.19"
    until: str | None = None
    required: bool = True

    @property
    def where(self) -> str:
        """Return the member's full name, as people can look it up."""
        return f"{self.owner.replace(':', '.')}.{self.name}"

    def find(self) -> Any:
        """Return the object that has the member in this Hermes; imports its module.

        Raises:
            ImportError, AttributeError: this Hermes has no such module or class.
        """
        if self.formerly:
            with contextlib.suppress(ImportError, AttributeError):
                owner = _resolve(self.owner)
                getattr(owner, self.name)
                return owner
        return _resolve(self.formerly or self.owner)

    def present(self) -> bool:
        """Return True if this Hermes has the member."""
        try:
            return hasattr(self.find(), self.name)
        except (ImportError, AttributeError):
            return False

    def described(self) -> Replacement:
        """Return the patch in the form in which ``doctor -v`` shows it.

        This imports the function's module.
        """
        return Replacement(
            function=self.where,
            why=self.why,
            since=self.since,
            until=self.until,
            required=self.required,
            found=self.present(),
        )

    def replace(self, wrapper: Callable[[Any], Any], *, on: Any = None, anew: bool = False) -> bool:
        """Put ``wrapper(original)`` in place of the original; return False if there is none.

        ``on`` is the instance to change, if only one is meant. A member that this patch has already
        replaced stays as it is, so that a template and its worker may both call this. With
        ``anew``, it gets the new wrapper, around the same original.

        Raises:
            MissingPoint: the patch is required and this Hermes lacks the member.
        """
        original = self._original(on)
        if original is None:
            if self.required:
                raise MissingPoint(self.owner, self.name, self.why)
            return False
        owner = self.find() if on is None else on
        known = _applied.get((id(owner), self))
        if known is None or anew:
            original = original if known is None else known[1]
            setattr(owner, self.name, wrapper(original))
            _applied[id(owner), self] = (owner, original)
        return True

    def restore(self) -> None:
        """Put the original back if this patch replaced a member of its module or class.

        Replacements of an instance's member stay. Nothing happens if there is no replacement.
        """
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


def _resolve(owner: str) -> Any:
    module, _, path = owner.partition(":")
    found: Any = importlib.import_module(module)
    return functools.reduce(getattr, path.split("."), found) if path else found


#: By the owner's identity: the owner and the original. The owner stays referenced, so that no other
#: object can get its identity.
_applied: dict[tuple[int, Patch], tuple[Any, Any]] = {}


def applied() -> list[Patch]:
    """Return the patches that this process has applied, each once."""
    return list(dict.fromkeys(patch for _owner, patch in _applied))


def missing(patches: Iterable[Patch]) -> list[Patch]:
    """Return the patches whose member the installed Hermes lacks; imports their modules."""
    return [patch for patch in patches if not patch.present()]


def require(owner: Any, name: str) -> Any:
    """Return ``owner.name``, a member that is read and not replaced, or refuse this Hermes.

    Raises:
        MissingPoint: this Hermes lacks the member.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        where = getattr(owner, "__name__", type(owner).__name__)
        raise MissingPoint(where, name) from None


def follow(patch: Patch, runner: Any, around: Callable[..., Any]) -> None:
    """Replace a coroutine method of the runner by ``around``, to see each call of it.

    ``around`` is called with the original method, and then the arguments of the call; what it
    returns is the result. If this Hermes lacks the method, nothing happens, or ``MissingPoint`` is
    raised where the patch is required.
    """

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        async def followed(*args: Any, **kwargs: Any) -> Any:
            return await around(original, *args, **kwargs)

        return followed

    patch.replace(wrapper, on=runner)


def do_nothing(*_args: Any, **_kwargs: Any) -> None:
    """Do nothing and return None: replaces a function of Hermes that must not run in a worker."""
