"""Ids of routes that cannot be what they are meant to be, platform by platform."""

from __future__ import annotations

from typing import Any

import pytest

from hermes_router.base.errors import Problem
from hermes_router.routing import unreachable
from hermes_router.routing.table import Route

HEX = "0123456789abcdef" * 2
UUID = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"
POST = "abcdefghijklmnopqrstuvwxyz"

#: For each platform and kind of id: ids that messages have, and texts that people write instead.
IDS: dict[tuple[str, str], tuple[list[str], list[str]]] = {
    ("slack", "chat_id"): (["C0123ABCD", "D0123ABCD", "G0123ABCD"], ["#general", "general"]),
    ("slack", "thread_id"): (["1700000000.000100"], ["p1700000000000100"]),
    ("slack", "user_id"): (["U0123ABCD", "W0123ABCD"], ["@kid"]),
    ("slack", "guild_id"): (["T0123ABCD", "E0123ABCD"], ["acme"]),
    ("matrix", "chat_id"): (["!abc:example.org", "!abc"], ["#room:example.org"]),
    ("matrix", "thread_id"): (["$event"], ["event"]),
    ("matrix", "user_id"): (["@ann:example.org"], ["ann"]),
    ("whatsapp", "chat_id"): (["4917012345@s.whatsapp.net", "120-1@g.us"], ["family"]),
    ("whatsapp", "user_id"): (["+4917012345", "4917012345:7@lid"], ["ann"]),
    ("whatsapp_cloud", "chat_id"): (["4917012345"], ["ann"]),
    ("whatsapp_cloud", "user_id"): (["4917012345"], ["ann"]),
    ("signal", "chat_id"): (["+4917012345", UUID, "group:a+b/c=="], ["family", "+49 170"]),
    ("signal", "user_id"): (["+4917012345", UUID, f"PNI:{UUID}"], ["ann", "ann.01"]),
    ("email", "chat_id"): (["ann@example.org"], ["ann"]),
    ("email", "user_id"): (["ann@example.org"], ["Ann <ann@example.org>"]),
    ("mattermost", "chat_id"): ([POST], ["town-square"]),
    ("mattermost", "thread_id"): ([POST], [POST[:-1]]),
    ("mattermost", "user_id"): ([POST], ["@ann"]),
    ("google_chat", "chat_id"): (["spaces/AAAA-b_1"], ["AAAA", "spaces/AAAA/threads/B"]),
    ("google_chat", "thread_id"): (["spaces/AAAA/threads/B"], ["B"]),
    ("google_chat", "user_id"): (["ann@example.org", "users/12"], ["ann"]),
    ("feishu", "chat_id"): (["oc_0a1b", "ou_0a1b"], ["team"]),
    ("line", "chat_id"): ([f"U{HEX}", f"C{HEX}", f"R{HEX}"], [HEX, f"c{HEX}"]),
    ("line", "user_id"): ([f"U{HEX}"], ["ann"]),
    ("sms", "chat_id"): (["+15550100", "12345"], ["+1 555 0100"]),
    ("sms", "user_id"): (["+15550100"], ["ann"]),
    ("irc", "chat_id"): (["#hermes", "&local", "bob|away"], ["#a,#b", "a b"]),
    ("irc", "user_id"): (["bob"], ["bob smith"]),
    ("ntfy", "chat_id"): (["alerts-1"], ["ntfy.sh/alerts"]),
    ("ntfy", "user_id"): (["alerts-1"], ["a b"]),
    ("simplex", "chat_id"): (["12", "group:3"], ["ann"]),
    ("simplex", "user_id"): (["12"], ["ann"]),
}


def doubts(platform: str, field: str, text: str) -> list[Problem]:
    ids: dict[str, Any] = {field: text}
    route = Route(platform=platform, profile="career", **ids)
    return list(unreachable.doubtful([route]))


@pytest.mark.parametrize(("platform", "field"), IDS)
def test_an_id_that_messages_have_is_fine_and_another_text_is_doubtful(
    platform: str, field: str
) -> None:
    fine, wrong = IDS[platform, field]
    assert [text for text in fine if doubts(platform, field, text)] == []
    for text in wrong:
        (problem,) = doubts(platform, field, text)
        assert (problem.severity, problem.code) == ("warning", "doubtful-id")
        assert f"{text!r} does not look like an id of {platform}" in problem.message
        assert problem.hint


def test_the_table_has_every_form_that_is_known() -> None:
    assert set(IDS) == set(unreachable._LOOKS)


def test_every_platform_has_numbers_or_a_form_or_is_listed_as_one_without() -> None:
    numbers, elsewhere = set(unreachable._HINTS), set(unreachable._PAST_THE_ROUTES)
    shaped = {platform for platform, _ in unreachable._LOOKS}
    groups = [numbers, elsewhere, shaped, set(unreachable.WITHOUT_KNOWN_FORM)]
    assert set().union(*groups) == unreachable.PLATFORMS
    assert sum(map(len, groups)) == len(unreachable.PLATFORMS)


@pytest.mark.parametrize("platform", sorted(unreachable.WITHOUT_KNOWN_FORM))
def test_no_id_of_a_platform_without_a_known_form_is_doubtful(platform: str) -> None:
    for field in ("chat_id", "thread_id", "user_id", "guild_id"):
        assert doubts(platform, field, "any text, really") == []


@pytest.mark.parametrize("platform", ["email", "irc", "line", "ntfy", "signal", "sms", "whatsapp"])
def test_a_thread_on_a_platform_without_threads_is_doubtful(platform: str) -> None:
    (problem,) = doubts(platform, "thread_id", "7")
    assert f"messages of {platform} have no thread" in problem.message


@pytest.mark.parametrize(
    ("chat", "thread", "told"),
    [
        ("-1234567890", "6", "the group -1234567890 has no topics"),
        ("-1000000000000", "6", "has no topics"),
        ("-1000000000001", "6", ""),
        ("-1003961179976", "6", ""),
        ("-1234567890", None, ""),
        ("-1234567890", "general", ""),
        ("1234567890", "6", ""),  # a person's chat with the bot may have topics
    ],
)
def test_a_topic_of_a_telegram_group_that_cannot_have_one_is_doubtful(
    chat: str, thread: str | None, told: str
) -> None:
    route = Route(platform="telegram", profile="career", chat_id=chat, thread_id=thread)
    found = list(unreachable.doubtful([route]))
    assert [told in problem.message for problem in found] == [True] * bool(told)
    assert all(problem.hint == f"-100{chat[1:]}, if it is one" for problem in found)


def test_a_route_that_is_disabled_is_not_doubtful() -> None:
    route = Route(platform="slack", profile="career", chat_id="general", enabled=False)
    assert list(unreachable.doubtful([route])) == []


@pytest.mark.parametrize(
    ("platform", "field", "text", "carried"),
    [
        ("telegram", "chat_id", "-1001234567890", True),
        ("telegram", "chat_id", "5550001", True),
        ("telegram", "chat_id", "007", False),
        ("telegram", "chat_id", "-01001234567890", False),
        ("telegram", "chat_id", "-0", False),
        ("telegram", "thread_id", "06", False),
        ("telegram", "user_id", "0", False),
        ("discord", "chat_id", "444444444444444444", True),
        ("discord", "chat_id", "-444444444444444444", False),
        ("discord", "guild_id", "0444", False),
    ],
)
def test_a_number_that_its_platform_never_writes_is_an_error(
    platform: str, field: str, text: str, carried: bool
) -> None:
    ids: dict[str, Any] = {"chat_id": "5", field: text}
    found = list(unreachable.unreachable([Route(platform=platform, profile="career", **ids)]))
    assert (found == []) is carried
    for problem in found:
        assert (problem.code, field in problem.message) == ("unreachable", True)
