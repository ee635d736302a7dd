"""What is done the short way has the same result: copies, and parsed YAML."""

from __future__ import annotations

import copy
import io
import math
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hermes_router.protocol.system.quick_yaml import reading_yaml_quickly
from hermes_router_worker.hermes.startup import speedups
from hermes_router_worker.hermes.startup.speedups import builder, quick_copy

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


@given(PLAIN)
def test_what_builds_a_copy_makes_an_equal_one_that_shares_no_container(value: Any) -> None:
    build = builder(value)
    assert build is not None or not _finite(value)
    if build is not None:
        first, second = build(), build()
        assert repr(first) == repr(second) == repr(value)
        assert not _containers(first) & (_containers(second) | _containers(value))


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize(
    "value", [{"a": {1}}, [(1,)], {"x": math.inf}, [Path("/")], {"a": OrderedDict()}]
)
def test_nothing_builds_what_is_not_plain(value: Any) -> None:
    assert builder(value) is None


def test_a_compiled_configuration_that_was_changed_in_place_is_copied_as_it_is_now() -> None:
    copier = speedups._QuickCopy()
    config: dict[str, Any] = {"model": {"default": "one"}, "list": [1]}
    copier.compile(config)
    assert copier.deepcopy(config) == config
    assert copier.deepcopy(config)["model"] is not config["model"]
    config["model"]["default"] = "two"
    assert copier.deepcopy(config) == {"model": {"default": "two"}, "list": [1]}
    copier.deepcopy(config)["list"].append(2)
    assert copier.deepcopy(config)["list"] == [1]


def test_another_configuration_of_equal_content_is_copied_too() -> None:
    copier = speedups._QuickCopy()
    copier.compile({"a": [True]})
    assert copier.deepcopy({"a": [1]})["a"][0] is not True


@pytest.fixture
def fast_yaml() -> Iterator[None]:
    slow = yaml.safe_load
    with reading_yaml_quickly():
        assert yaml.safe_load is not slow
        yield
    assert yaml.safe_load is slow


@pytest.mark.usefixtures("fast_yaml")
@pytest.mark.parametrize(
    "text", ["a: 1\nb: [x, 'y', 2024-01-01, 1.5, ~, yes]\n", "", "- &x {k: v}\n- *x\n", "ä: ö"]
)
def test_yaml_is_read_the_same(text: str) -> None:
    expected = yaml.load(text, Loader=yaml.SafeLoader)
    assert yaml.safe_load(text) == expected
    assert yaml.safe_load(io.StringIO(text)) == expected


@pytest.mark.usefixtures("fast_yaml")
def test_wrong_yaml_is_the_same_error() -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("a: [")
    with pytest.raises(yaml.constructor.ConstructorError):
        yaml.safe_load("!!python/object:os.system {}")


@pytest.mark.usefixtures("fast_yaml")
def test_a_tag_that_somebody_added_to_pythons_loader_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    constructors = yaml.SafeLoader.yaml_constructors | {"!mine": lambda _loader, node: node.value}
    monkeypatch.setattr(yaml.SafeLoader, "yaml_constructors", constructors)
    assert yaml.safe_load("!mine x") == "x"
