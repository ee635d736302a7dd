"""Files as people write them: units, ids with a colon, and mistakes told by their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.base.errors import ConfigError
from hermes_router.config import units
from hermes_router.config.model import load


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    file = tmp_path / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        found = load(file).problems
    except ConfigError as error:
        found = error.problems
    return [str(problem).removeprefix(f"{file}:") for problem in found]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1GiB", 2**30), ("64k", 64_000), ("7", 7)],
)
def test_a_size_may_have_a_unit(text: str, meant: int) -> None:
    assert units.size(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"), [("5m", 300), ("1h30m", 5400), ("2 days", 172_800), ("500ms", 0.5)]
)
def test_a_duration_may_have_a_unit(text: str, meant: float) -> None:
    assert units.duration(text) == meant


@pytest.mark.parametrize("text", ["", "GB", "2 apples", "ib", "5", "m5", "-1m"])
def test_what_has_no_unit_of_time_is_no_duration(text: str) -> None:
    assert units.duration(text) is None


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("'1h 30m'", 5400), ("90", 90)])
def test_a_setting_of_a_file_takes_a_duration(tmp_path: Path, text: str, seconds: float) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"hermes_router: {{defaults: {{timeouts: {{turn: {text}}}}}}}\n")
    assert load(file).defaults.timeouts.turn == seconds


def test_a_duration_without_a_unit_of_time_is_told(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "hermes_router: {defaults: {timeouts: {turn: 5 apples}}}\n")
    assert "hermes_router.defaults.timeouts.turn" in told
    assert units.DURATION_HINT in told


def test_settings_take_units_and_name_them(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hermes_router: {defaults: {limits: {memory_bytes: 2GB}}}\n")
    assert load(file).defaults.limits.memory_bytes == 2 * 10**9
    (told,) = problems(tmp_path, "hermes_router: {defaults: {limits: {memory_bytes: 2 apples}}}\n")
    assert units.SIZE_HINT in told


def test_a_limit_under_which_nothing_starts_is_told_with_its_unit(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "hermes_router: {defaults: {limits: {memory_bytes: 100MB}}}\n")
    assert "no worker starts with less than 256MiB" in told


@pytest.mark.parametrize(
    ("line", "chat", "thread"),
    [
        ('slack: {"C456:1700000000.000100": a}', "C456", "1700000000.000100"),
        ('matrix: {"!room:example.org:$ev": a}', "!room:example.org", "$ev"),
        ('matrix: {"!room:example.org": a}', "!room:example.org", None),
        ('discord: {"123:456": a}', "123", "456"),
        ('telegram: {"-1003961179976:6": a}', "-1003961179976", "6"),
        ('mattermost: {"c1:t1": a}', "c1", "t1"),
        ('feishu: {"oc_1:omt_2": a}', "oc_1", "omt_2"),
        ('google_chat: {"spaces/A:spaces/A/threads/B": a}', "spaces/A", "spaces/A/threads/B"),
    ],
)
def test_chat_and_thread_in_one_key(
    tmp_path: Path, line: str, chat: str, thread: str | None
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"profile_routes: {{{line}}}\n")
    (route,) = load(file).table.routes
    assert (route.chat_id, route.thread_id) == (chat, thread)


def test_an_id_that_yaml_takes_for_a_comment_is_told(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "profile_routes:\n  irc:\n    #hermes: a\n")
    assert told.startswith("2:3: ")
    assert "no route below this platform" in told
    assert "'#hermes' needs quotes" in told
    assert "warning" in told
    assert problems(tmp_path, "profile_routes: {irc: {'#hermes': a}}\n") == []


def test_an_id_that_looks_like_none_of_its_platform_is_told(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "profile_routes: {slack: {general-talk: a}}\n")
    assert "does not look like an id of slack" in told
    assert "warning" in told


@pytest.mark.parametrize(
    ("platform", "chat"),
    [
        ("slack", "C456:1700000000.000100"),
        ("matrix", "!room:example.org:$ev"),
        ("feishu", "oc_1:omt_2"),
        ("google_chat", "spaces/A:spaces/A/threads/B"),
        ("whatsapp", "120363@g.us:5"),
        ("email", "ann@example.org:5"),
        ("line", f"C{'0' * 32}:5"),
    ],
)
def test_chat_and_thread_in_one_id_of_a_list_are_told(
    tmp_path: Path, platform: str, chat: str
) -> None:
    route = f'{{platform: {platform}, chat_id: "{chat}", profile: a}}'
    (told,) = problems(tmp_path, f"profile_routes: [{route}]\n")
    assert f"does not look like an id of {platform}" in told


def test_a_platform_that_no_hermes_has_is_told_offline(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, 'profile_routes: {telegramm: {"5": a}}\n')
    assert "did you mean 'telegram'?" in told


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('a: 1\nb: "open\nc: 2\n', "2:4", "the quote that begins here is not closed"),
        ("a: [1,\nb: 2\n", "1:4", "the [ that begins here is not closed"),
        ("a: [\n", "1:4", "the [ that begins here is not closed"),
        ("x: [1]\nplugins: {\n\n# c\n", "2:10", "the { that begins here is not closed"),
        ("a: [b, {c: [d,\n", "1:12", "the [ that begins here is not closed"),
        ("a:\n\tb: 1\n", "2:1", "a tab"),
        ("a: 1\n\tb: 2\n", "2:1", "a tab"),
        ("a: {b: {c: 1}}}\n", "1:15", "nothing is open that this } could close"),
        ("a: {b: 1 c: 2}\n", "1:11", "a comma or a } is missing before this"),
        ("a: {b: [1, 2}\n", "1:13", "a comma or a ] is missing before this"),
        ("a:\n  *: kid\n", "2:3", "* begins an alias in YAML, and no text"),
        ("a: @ann\n", "1:4", "a text that begins with @ needs quotes"),
        ("a: !room:example.org\n", "1:4", "the tag !room:example.org, which Hermes"),
        ("a: b: c\n", "1:5", "a second colon in one line"),
        ("a:\n  b: 1\n   c: 2\n", "3:4", "deeper than the one above, which has a value"),
        ("a:\n    b: 1\n  c: 2\n", "3:3", "indented like no line that it could belong to"),
        ('# ours\ntelegram:"5"\nb: 1\n', "2:1", "has no colon, or no space behind it"),
        ("a: 1\nb c\n", "2:1", "has no colon, or no space behind it"),
        ("a: 'it's'\n", "1:8", "text behind a closed quote"),
        ('a: "C:\\path"\n', "1:7", 'a \\ that means nothing inside "..."'),
        ("a:\n  - b\n  c: 1\n", "3:3", "neither an item of the list above it nor part of one"),
        ("a: 1\n- b: 2\n", "2:1", "an item of a list stands where a key belongs"),
        (": 1\n", "1:1", "there is no key before this colon"),
        ("<<<<<<< HEAD\na: 1\n=======\n", "1:1", "has no colon"),
        ("a: !secret b\n", "1:4", "the tag !secret, which Hermes does not know"),
        ("a: 1\n".encode("utf-16"), "1:1", "UTF-16 text"),
    ],
)
def test_a_broken_file_is_told_at_its_cause(
    tmp_path: Path, text: str | bytes, where: str, what: str
) -> None:
    (told,) = problems(tmp_path, text)
    assert told.startswith(f"{where}: ")
    assert what in told
    assert told.count("not valid YAML") <= 1


@pytest.mark.parametrize("word", ["none", "null", "ignore", "off"])
def test_a_policy_that_is_no_profile_is_told(tmp_path: Path, word: str) -> None:
    (told,) = problems(tmp_path, f"hermes_router: {{unmatched: {word}}}\n")
    assert "deny: nobody answers" in told
    assert "profile create" not in told
