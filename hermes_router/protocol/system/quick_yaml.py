"""Reading YAML by libyaml where Hermes reads it by Python's own loader; both sides use it.

Hermes parses a whole ``config.yaml`` several times in a turn. It has a quick way of its own for
some of them (``fast_safe_load``): the two loaders accept the same tags.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Iterator
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", None)


def read_yaml_quickly() -> None:
    """Have ``yaml.safe_load`` use libyaml from now on, if it is there."""
    if _LOADER is not None and not hasattr(yaml.safe_load, "__wrapped__"):
        yaml.safe_load = _quick(yaml.safe_load)


@contextlib.contextmanager
def reading_yaml_quickly() -> Iterator[None]:
    """Do so for the length of a block."""
    before = yaml.safe_load
    read_yaml_quickly()
    try:
        yield
    finally:
        yaml.safe_load = before


def _quick(slow: Any) -> Any:
    """Return what reads as ``slow`` does; what somebody adds to Python's loader stays known."""

    @functools.wraps(slow)
    def safe_load(stream: Any) -> Any:
        if any(map(operator.is_not, _additions(), _BUILT_IN)):
            return slow(stream)
        return yaml.load(stream, Loader=_LOADER)  # noqa: S506 - a safe loader

    return safe_load


def _additions() -> tuple[Any, ...]:
    """Return the tables of Python's loader, which are replaced when somebody adds to them."""
    loader: Any = yaml.SafeLoader
    return (
        loader.yaml_constructors,
        loader.yaml_multi_constructors,
        loader.yaml_implicit_resolvers,
    )


_BUILT_IN = _additions()
