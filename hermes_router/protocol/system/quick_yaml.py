"""Make Hermes read YAML by the fast libyaml instead of the loader in Python; both sides use this.

Hermes parses a whole ``config.yaml`` several times in a turn. For some of these reads it uses
libyaml itself (``fast_safe_load``): the two loaders accept the same tags.
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
    """Make ``yaml.safe_load`` use libyaml in this process from now on, if it is installed.

    Its results are the same, also when a program has added tags to Python's loader.
    """
    if _LOADER is not None and not hasattr(yaml.safe_load, "__wrapped__"):
        yaml.safe_load = _quick(yaml.safe_load)


@contextlib.contextmanager
def reading_yaml_quickly() -> Iterator[None]:
    """Make ``yaml.safe_load`` use libyaml inside a ``with`` block, in all threads."""
    before = yaml.safe_load
    read_yaml_quickly()
    try:
        yield
    finally:
        yaml.safe_load = before


def _quick(slow: Any) -> Any:
    """Return a fast function with the results of ``slow``.

    If somebody has added tags to Python's loader, it calls ``slow``, which knows them.
    """

    @functools.wraps(slow)
    def safe_load(stream: Any) -> Any:
        if any(map(operator.is_not, _additions(), _BUILT_IN)):
            return slow(stream)
        return yaml.load(stream, Loader=_LOADER)  # noqa: S506 - a safe loader

    return safe_load


def _additions() -> tuple[Any, ...]:
    """Return the tables of Python's loader; PyYAML replaces a table when somebody adds to it."""
    loader: Any = yaml.SafeLoader
    return (
        loader.yaml_constructors,
        loader.yaml_multi_constructors,
        loader.yaml_implicit_resolvers,
    )


_BUILT_IN = _additions()
