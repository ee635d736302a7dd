"""Copies of a configuration are equal, and share nothing that can change."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_router_worker.preload import quick_copy

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def _containers(value: Any) -> set[int]:
    if isinstance(value, dict):
        return {id(value)}.union(*map(_containers, value.values()))
    if isinstance(value, list):
        return {id(value)}.union(*map(_containers, value))
    return set()


@given(PLAIN)
def test_a_copy_is_equal_and_shares_no_container(value: Any) -> None:
    copied = quick_copy(value)
    assert copied == value
    assert not _containers(copied) & _containers(value)


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": OrderedDict(b=[1])}, [({"x": 1},)]])
def test_what_is_not_plain_is_copied_as_python_does(value: Any) -> None:
    copied = quick_copy(value)
    assert copied == copy.deepcopy(value)
    assert [type(item) for item in copied] == [type(item) for item in value]
