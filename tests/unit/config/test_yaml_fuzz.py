"""Whatever a configuration file holds: a table, or errors with their places. Nothing else ever."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hermes_router.base.errors import ConfigError
from hermes_router.config.model import RouterConfig, load
from hermes_router.config.yaml import MAX_DEPTH, parse

WORDS = [
    "gateway", "profile_routes", "hermes_router", "telegram", "platform", "profile", "chat_id",
    "thread_id", "user_id", "enabled", "name", "topic_profiles", "default", "*", "general", "-100",
    "unmatched", "deny", "routes_file", "defaults", "profiles", "env", "pass", "timeouts", "turn",
    "deliver", "share", "launcher", "career", "<<", "", "1.5", "2024-01-02", "0x1F", "~", "yes",
    "-100:6", "12:30", "1_000", "\0", "\x85", "é\u2028",
]  # fmt: skip
scalars = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=5)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | scalars, inner, max_size=5)
    ),
    max_leaves=25,
)
routers = st.fixed_dictionaries(
    {}, optional={"gateway": trees, "profile_routes": trees, "hermes_router": trees}
)
snippets = st.lists(
    st.sampled_from(
        [
            *WORDS, ": ", "- ", "\n", "  ", "\n  ", "\n    ", "[", "]", "{", "}", ", ", "&a ", "*a",
            "!!str ", "!!int ", "!x ", "? ", "| \n", ">", "'", '"', "#", "%YAML 1.1\n", "---\n",
            "...\n", "\t", "\r", "\ufeff", "<<: *a\n",
        ]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def outcome(data: bytes) -> RouterConfig | ConfigError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(data)
        try:
            return load(path, known_platforms={"telegram"}, profile_exists=lambda name: name == "a")
        except ConfigError as error:
            _every_error_is_located(error)
            return error


def _every_error_is_located(error: ConfigError) -> None:
    assert error.errors
    for problem in error.problems:
        assert problem.message
        assert problem.line > 0, str(error)
        assert problem.column > 0, str(error)


@settings(max_examples=400, deadline=None)
@given(routers | trees)
@example({"hermes_router": {"routes_file": "\0"}})
@example({"hermes_router": {"routes_file": "~"}})
@example({"hermes_router": {"routes_file": "a" * 5000}})
def test_any_structure_gives_a_table_or_located_errors(tree: object) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    outcome(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=400, deadline=None)
@given(snippets)
@example("&a a: *a")
@example("&a [*a]")
@example("gateway: {profile_routes: {telegram: {? [1] : 2}}}")
@example("hermes_router: {profiles: {? {} : 2}}")
@example("a: *b")
@example("--- a\n--- b")
@example("<<: [1, 2]")
def test_any_yaml_like_text_gives_a_table_or_located_errors(text: str) -> None:
    outcome(text.encode("utf-8", "surrogatepass"))
    outcome(b"gateway:\n  profile_routes:\n    " + text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
@example(b"\xff\xfe")
@example(b"\xff\xfea")
@example(b"\xef\xbb\xbfa: b")
@example(b"\x00")
@example(b"gateway: \xff")
def test_any_bytes_give_a_table_or_located_errors(data: bytes) -> None:
    outcome(data)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_hostile_nesting_is_a_located_error_and_no_crash(opening: str) -> None:
    result = outcome((opening * 100_000).encode())
    assert isinstance(result, ConfigError)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f") is not None
    with pytest.raises(ConfigError, match="levels deep"):
        parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "f")


def test_a_bomb_of_aliases_is_a_located_error() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    result = outcome(bomb.encode())
    assert isinstance(result, ConfigError)
    assert "aliases expand" in str(result)
