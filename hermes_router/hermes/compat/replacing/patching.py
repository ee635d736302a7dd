"""Replace functions of Hermes: one way to do it, and one list of all replacements.

A :class:`Patch` names a function and says why it is replaced. :func:`apply` puts a wrapper in its
place, on the module or class where Hermes's own callers look it up. A module that only passes a
name on from another module (PEP 562) is skipped: its callers look in the other module.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hermes_router.protocol.replacements import Replacement

logger = logging.getLogger(__name__)

Wrapper = Callable[..., Any]
"""Called as ``wrapper(original, *args, **kwargs)``; for a method the first of ``args`` is self."""

_ATTRIBUTE = "__hermes_router_replacement__"


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One function of Hermes that the router replaces; :func:`apply` replaces it."""

    owners: tuple[str, ...]
    """Where the function may be, the newest Hermes first: ``module`` or ``module:Class``."""
    name: str
    why: str
    """What the replacement is for."""
    without: str = ""
    """What happens in a Hermes that lacks the function."""
    since: str = "0.19"
    until: str = ""
    """The last Hermes version that has the function; empty while the newest one has it."""
    required: bool = False
    """Whether routing is closed in a Hermes that lacks the function."""

    @property
    def label(self) -> str:
        """Return the function's full name, as people can look it up in Hermes's source."""
        return f"{self.owners[0].replace(':', '.')}.{self.name}"

    def described(self) -> Replacement:
        """Return the patch as ``doctor -v`` lists it, with whether this Hermes has the function.

        This imports the modules in which the function may be.
        """
        return Replacement(
            function=self.label,
            why=self.why,
            since=self.since,
            until=self.until or None,
            required=self.required,
            found=owner_of(self) is not None,
        )


class _Replacement:
    """The wrapper of one patch, in one place; a later ``apply`` exchanges it."""

    def __init__(self, patch: Patch, original: Any, wrapper: Wrapper) -> None:
        self.patch = patch
        self.original = original
        self.wrapper = wrapper

    def function(self) -> Any:
        """Return the function that Hermes calls instead of its own."""
        original = self.original
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def replaced(*args: Any, **kwargs: Any) -> Any:
                return await self.wrapper(original, *args, **kwargs)
        else:

            @functools.wraps(original)
            def replaced(*args: Any, **kwargs: Any) -> Any:
                return self.wrapper(original, *args, **kwargs)

        setattr(replaced, _ATTRIBUTE, self)
        return replaced


_lock = threading.RLock()
_missing: set[Patch] = set()


def apply(patch: Patch, wrapper: Wrapper, *, owner: Any = None) -> bool:
    """Replace the function that a patch names; return False if this Hermes does not have it.

    Hermes then calls ``wrapper``, which gets the original function first. A second call for the
    same patch exchanges the wrapper. ``owner`` is the class or object to change, if it is another
    than the patch names. If ``patch.without`` says what is lost without the function, its absence
    is logged once.
    """
    with _lock:
        owner = owner_of(patch) if owner is None else owner
        original = _attribute(owner, patch.name)
        if not callable(original):
            _report_missing(patch)
            return False
        known = getattr(original, _ATTRIBUTE, None)
        if isinstance(known, _Replacement) and known.patch == patch:
            known.wrapper = wrapper
            return True
        replacement = _Replacement(patch, original, wrapper)
        setattr(owner, patch.name, replacement.function())
        return True


def _report_missing(patch: Patch) -> None:
    if patch in _missing:
        return
    _missing.add(patch)
    if patch.without:
        logger.error(
            "hermes-router: this Hermes lacks %s: %s. Install a Hermes version that hermes-router "
            "supports.",
            patch.label,
            patch.without,
        )


def owner_of(patch: Patch) -> Any:
    """Return the module or class of this Hermes in which a patch's function is; None if in none.

    A module that only passes the function on from another module does not count.
    """
    for name in patch.owners:
        owner = _resolve(name)
        if _attribute(owner, patch.name) is not None:
            return owner
    return None


def _resolve(name: str) -> Any:
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return None
    return getattr(module, class_name, None) if class_name else module


def _attribute(owner: Any, name: str) -> Any:
    """Return an attribute; of a module, only an attribute that the module itself holds."""
    if inspect.ismodule(owner):
        return vars(owner).get(name)
    return getattr(owner, name, None)


def missing(patches: Iterable[Patch]) -> list[str]:
    """Return the full names of those functions, of the given patches, that this Hermes lacks."""
    return [patch.label for patch in patches if owner_of(patch) is None]
