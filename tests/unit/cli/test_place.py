"""A place as people have it: copied from a link, or with what they know of it."""

from __future__ import annotations

import pytest

from hermes_router.cli.place import guild_of, ids, understood


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("https://t.me/c/3961179976/6/12", "telegram:-1003961179976:6"),
        ("https://t.me/c/3961179976/12?thread=6", "telegram:-1003961179976:6"),
        ("https://telegram.me/c/3961179976/", "telegram:-1003961179976"),
        ("t.me/c/3961179976/6", "telegram:-1003961179976:6"),
        ("telegram:https://t.me/c/3961179976/6/12", "telegram:-1003961179976:6"),
        ("Discord: https://discord.com/channels/1/22", "discord:22"),
        ("telegram:-100123/6", "telegram:-100123:6"),
        ("telegram:-100123/6/7", "telegram:-100123:6"),
        ("telegram:-100123/General", "telegram:-100123:General"),
        ("telegram: -100123 : 6", "telegram:-100123:6"),
        ("telegram:-100123:*", "telegram:-100123:*"),
        ("https://discord.com/channels/1/22", "discord:22"),
        ("https://discord.com/channels/1/22/333", "discord:22"),
        ("https://canary.discord.com/channels/@me/22/", "discord:22"),
        ("https://discord.com/channels/1/22/threads/333", "discord:333"),
        ("https://discord.com/channels/1/22/threads/333/4444", "discord:333"),
        ("https://app.slack.com/client/T05ABC/C05ABC", "slack:C05ABC"),
        (
            "https://app.slack.com/client/T05ABC/C05ABC/thread/C05ABC-1700000000.000100",
            "slack:C05ABC:1700000000.000100",
        ),
        (
            "https://acme.slack.com/archives/C05ABC/p1700000000000100",
            "slack:C05ABC:1700000000.000100",
        ),
        (
            "https://a.slack.com/archives/C05ABC/p1800000000000200?thread_ts=1700000000.000100",
            "slack:C05ABC:1700000000.000100",
        ),
        ("slack:C05ABC/1700000000.000100", "slack:C05ABC:1700000000.000100"),
        ("Slack:C05ABC:p1700000000000100", "Slack:C05ABC:1700000000.000100"),
        ("slack:C05ABC:*", "slack:C05ABC:*"),
        ("https://matrix.to/#/!room:example.org", "matrix:!room:example.org"),
        (
            "https://matrix.to/#/!room:example.org/$event?via=example.org",
            "matrix:!room:example.org:$event",
        ),
        ("https://matrix.to/#/%21room%3Aexample.org", "matrix:!room:example.org"),
        ("matrix:!a b:server", "matrix:!a b:server"),
        ("matrix:!room:example.org/$event", "matrix:!room:example.org:$event"),
        ("signal:+49 170 1234567", "signal:+491701234567"),
        ("signal:group:a+b/c==:*", "signal:group:a+b/c==:*"),
        ("sms:+1 (555) 010-0", "sms:+15550100"),
        ("whatsapp:+49 170 1234567", "whatsapp:+491701234567"),
        ("whatsapp:120363-1@g.us", "whatsapp:120363-1@g.us"),
        ("irc:#hermes", "irc:#hermes"),
        ("a2a:https://example.org/1", "a2a:https://example.org/1"),
        ("telegram", "telegram"),
    ],
)
def test_a_place_is_understood_as_people_have_it(text: str, meant: str) -> None:
    assert understood(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("telegram:@kid", r"names @kid, but ids of telegram are numbers. docs/ids\.md"),
        ("telegram:007", "names 007, but ids of telegram are numbers"),
        ("telegram:-1:foo", "names the thread foo, but ids of telegram are numbers"),
        ("telegram:-1:#6", "names the thread #6, but ids of telegram are numbers"),
        ("telegram:-1:6:7", "names the thread 6:7, but ids .* Write telegram:CHAT"),
        ("telegram:-1:-6", "names the thread -6, but ids of telegram are numbers"),
        ("discord:1:general-talk", "names the thread general-talk, but ids of discord"),
        ("https://t.me/+abcdef", "is a link by a chat's name or to join it, which contains no id"),
        ("https://web.telegram.org/a/#-1003961179976_6", r"Telegram's web page. Copy the link"),
        ("telegram:my group", "contains spaces inside an id"),
        ("telegram:-1/6/7/8", "contains a slash. Write telegram:CHAT or telegram:CHAT:THREAD"),
        ("slack:t.me/c/1/6", "its link is one of another platform: telegram:-1001:6"),
        ("telegram:https://t.me/somebody", "which contains no id"),
        ("https://t.me/somebody", r"which contains no id. docs/ids\.md"),
        ("https://t.me/c/123/abc", "which contains no id"),
        ("discord:general", r"names general, but ids of discord are numbers. docs/ids\.md"),
        ("discord:general-talk", "names general-talk, but"),
        ("https://discord.com/channels/1/22/333/4444", "the id after the channel is a message"),
        ("https://discord.com/invite/abc", "is a link without a channel"),
        ("slack:#general", "names #general, but ids of slack look like C0123ABCD"),
        ("slack:@kid", r"D0123ABCD for direct messages. docs/ids\.md"),
        ("slack:general", "names general, but ids of slack look like C0123ABCD"),
        ("https://acme.slack.com/team", "without a channel. Write slack:C0123ABCD"),
        ("matrix:#room:server", "that is an alias. Write matrix:!ROOM:SERVER, the internal id"),
        ("matrix:@ann:server", "that is a person. Write matrix:!ROOM:SERVER, and the person as"),
        ("https://matrix.to/#/#room:server", "names #room:server, but that is an alias"),
        ("https://matrix.to/#/%40ann:server", "names @ann:server, but that is a person"),
        ("tg://resolve?domain=kid", "a link that contains no id of a chat"),
        ("https://chat.example.org/room/7", r"a link that contains no id of a chat. docs/ids\.md"),
    ],
)
def test_what_is_no_place_is_refused_with_what_to_write_instead(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        understood(text)


@pytest.mark.parametrize(
    ("text", "guild"),
    [
        ("https://discord.com/channels/1/22/333", "1"),
        ("discord: discord.com/channels/1/22?a=b", "1"),
        ("https://discord.com/channels/@me/22", None),
        ("https://app.slack.com/client/T05ABC/C05ABC", "T05ABC"),
        ("https://acme.slack.com/archives/C05ABC", None),
        ("https://t.me/c/1/6", None),
        ("discord:22", None),
    ],
)
def test_a_link_names_the_server_too(text: str, guild: str | None) -> None:
    assert guild_of(text) == guild


def test_what_to_write_for_an_ambiguous_place_is_a_place() -> None:
    with pytest.raises(ValueError, match="so write signal:group:abc==:") as caught:
        ids("signal:group:abc==")
    told = str(caught.value).partition("so write ")[2].partition(" ")[0]
    assert ids(told) == ("signal", "group:abc==", None)
