"""Find routes that no message can reach, because of their ids or their platform.

Such a route is an error, because another profile would answer its messages without any notice. Only
platforms whose ids have one certain form are checked: the ids of Telegram and Discord are whole
numbers. Telegram has no guilds. Hermes's API server starts its agents itself, so its messages never
reach the router.

An id of a usual form that another version of Hermes may give otherwise is only doubtful, a warning.
The ids of some platforms have no form that is known: :data:`WITHOUT_KNOWN_FORM` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hermes_router.base.errors import Problem
from hermes_router.routing.table import DISCRIMINATORS, GENERAL, Route

#: All platforms of Hermes 0.19 to 0.22.
PLATFORMS = frozenset(
    (
        *("a2a", "api_server", "bluebubbles", "buzz", "dingtalk", "discord", "email", "feishu"),
        *("google_chat", "homeassistant", "irc", "line", "local", "matrix", "mattermost"),
        *("msgraph_webhook", "ntfy", "photon", "qqbot", "raft", "relay", "signal", "simplex"),
        *("slack", "sms", "teams", "telegram", "webhook", "wecom", "wecom_callback", "weixin"),
        *("whatsapp", "whatsapp_cloud", "yuanbao"),
    )
)

#: The platforms whose ids have no form that is certain: any text may be one, so none is doubtful.
WITHOUT_KNOWN_FORM = frozenset(
    (
        *("a2a", "bluebubbles", "buzz", "dingtalk", "homeassistant", "local", "msgraph_webhook"),
        *("photon", "qqbot", "raft", "relay", "teams", "webhook", "wecom", "wecom_callback"),
        *("weixin", "yuanbao"),
    )
)

_NUMBER = r"\+?[0-9]+"
_UUID = r"(?:PNI:)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_WHATSAPP = (re.compile(r"\+?[0-9-]+(?::[0-9]+)?(?:@[^:]+)?"), "a number, or ...@g.us for a group")
_ADDRESS = (re.compile(r"[^@\s]+@[^@\s:]+"), "an address: ann@example.org")
_MATTERMOST = (re.compile(r"[a-z0-9]{26}"), "26 letters and digits, from the channel's info")
_SMS = (re.compile(r"\+?[0-9]{3,}"), "a number without spaces: +15550100")
_TOPIC = (re.compile(r"[A-Za-z0-9_-]{1,64}"), "the topic's name")
_NICK = (re.compile(r"[^\s,]+"), "#channel or a nick, without spaces")

#: The usual form of a platform's ids, and an example; an id of another form gets a warning.
_LOOKS = {
    ("slack", "chat_id"): (
        re.compile(r"[CGD][A-Z0-9]{2,}"),
        "C0123ABCD: the channel's details",
    ),
    ("slack", "thread_id"): (
        re.compile(r"[0-9]{6,}\.[0-9]+"),
        "1700000000.000100",
    ),
    ("slack", "user_id"): (re.compile(r"[UW][A-Z0-9]{2,}"), "U0123ABCD: see the person's profile"),
    ("slack", "guild_id"): (re.compile(r"[TE][A-Z0-9]{2,}"), "T0123ABCD"),
    ("matrix", "chat_id"): (
        re.compile(r"![^$]+"),
        "!abc:server, from the room's settings; not #name",
    ),
    ("matrix", "thread_id"): (re.compile(r"\$.+"), "$event, from a link to the message"),
    ("matrix", "user_id"): (re.compile(r"@.+:.+"), "@name:server"),
    ("whatsapp", "chat_id"): _WHATSAPP,
    ("whatsapp", "user_id"): _WHATSAPP,
    ("whatsapp_cloud", "chat_id"): _WHATSAPP,
    ("whatsapp_cloud", "user_id"): _WHATSAPP,
    ("signal", "chat_id"): (
        re.compile(f"group:.+|{_NUMBER}|{_UUID}"),
        "+15550100 for a person, group:ID for a group",
    ),
    ("signal", "user_id"): (re.compile(f"{_NUMBER}|{_UUID}"), "+15550100"),
    ("email", "chat_id"): _ADDRESS,
    ("email", "user_id"): _ADDRESS,
    ("mattermost", "chat_id"): _MATTERMOST,
    ("mattermost", "thread_id"): _MATTERMOST,
    ("mattermost", "user_id"): _MATTERMOST,
    ("google_chat", "chat_id"): (
        re.compile(r"spaces/[A-Za-z0-9_-]+"),
        "spaces/AAAA, from the space's address",
    ),
    ("google_chat", "thread_id"): (
        re.compile(r"spaces/[A-Za-z0-9_-]+/threads/[A-Za-z0-9_-]+"),
        "spaces/AAAA/threads/BBBB",
    ),
    ("google_chat", "user_id"): (
        re.compile(r"[^@\s]+@[^@\s]+|users/.+"),
        "the person's address, or users/ID",
    ),
    ("feishu", "chat_id"): (re.compile(r"o[cu]_[^:]+"), "oc_0123abcd: the chat's settings"),
    ("line", "chat_id"): (
        re.compile(r"[UCR][0-9a-f]{32}"),
        "U, C or R and 32 digits from 0 to f",
    ),
    ("line", "user_id"): (re.compile(r"[UCR][0-9a-f]{32}"), "U and 32 digits from 0 to f"),
    ("sms", "chat_id"): _SMS,
    ("sms", "user_id"): _SMS,
    ("irc", "chat_id"): _NICK,
    ("irc", "user_id"): _NICK,
    ("ntfy", "chat_id"): _TOPIC,
    ("ntfy", "user_id"): _TOPIC,
    ("simplex", "chat_id"): (re.compile(r"(?:group:)?[0-9]+"), "a number, or group:NUMBER"),
    ("simplex", "user_id"): (re.compile(r"[0-9]+"), "a number"),
}

#: Platforms whose adapters, up to Hermes 0.22, give no message a thread.
_WITHOUT_THREADS = frozenset(
    (
        *("email", "irc", "line", "ntfy", "signal", "simplex", "sms", "whatsapp"),
        "whatsapp_cloud",
    )
)
#: Telegram's groups without topics have ids down to minus this number; forums have those below.
_LAST_SMALL_GROUP = 10**12
_WITHOUT_GUILDS = frozenset({"telegram"})
_NEGATIVE = frozenset({"telegram"})
_HINTS = {
    "telegram": "a user's chat is a positive number, a group's a negative number; not @name, and "
    "without a leading 0",
    "discord": "Copy ID in Discord's developer mode shows it; not a name",
}
_PAST_THE_ROUTES = {
    "api_server": "enable the API server in a gateway of the profile: hermes -p PROFILE gateway run"
}


def unreachable(routes: Iterable[Route]) -> Iterator[Problem]:
    """Yield an error for each platform or id of an enabled route that no message can have."""
    for route in routes:
        if route.platform in _PAST_THE_ROUTES and route.enabled:
            what = (
                f"{route.platform} is always answered by the gateway's own profile; routes "
                "do not apply"
            )
            yield _problem(route, "platform", what, _PAST_THE_ROUTES[route.platform])
        if route.platform in _HINTS and route.enabled:
            for field in DISCRIMINATORS:
                text = getattr(route, field)
                if field == "guild_id" and text and route.platform in _WITHOUT_GUILDS:
                    yield _problem(route, field, f"{route.platform} has no guilds", "remove it")
                elif (
                    text
                    and not _is_number(text, route.platform)
                    and not (text == GENERAL and route.is_general)
                ):
                    what = f"{text!r} is not an id of {route.platform}: its ids are numbers"
                    yield _problem(route, field, what, _HINTS[route.platform])


def doubtful(routes: Iterable[Route]) -> Iterator[Problem]:
    """Yield a warning for each id in a route that does not look like an id of its platform.

    Such a route is used all the same: another version of Hermes may give such ids.
    """
    for route in routes:
        for field in DISCRIMINATORS if route.enabled else ():
            text = getattr(route, field)
            shape, hint = _LOOKS.get((route.platform, field), (None, ""))
            if text and shape is not None and not shape.fullmatch(text):
                what = f"{text!r} does not look like an id of {route.platform}"
                yield _doubt(route, field, what, hint)
            elif text and field == "thread_id" and route.platform in _WITHOUT_THREADS:
                hint = "remove the thread; an id that contains colons is written CHAT:*"
                yield _doubt(route, field, f"messages of {route.platform} have no thread", hint)
            elif field == "thread_id" and text and not route.is_general and _is_small_group(route):
                what = f"the group {route.chat_id} has no topics: ids of forums begin with -100"
                yield _doubt(route, field, what, f"-100{(route.chat_id or '')[1:]}, if it is one")


def _doubt(route: Route, field: str, what: str, hint: str) -> Problem:
    return Problem(
        file=route.file,
        line=route.line,
        column=route.column,
        path=route.path,
        message=f"the {field} of route {route.label!r}: {what}; the route may never match",
        hint=hint,
        severity="warning",
        code="doubtful-id",
    )


def _is_small_group(route: Route) -> bool:
    """Return True if Telegram gives the route's chat id to a group that cannot have topics."""
    chat = route.chat_id or ""
    digits = chat.removeprefix("-")
    is_group = route.platform == "telegram" and chat != digits and digits.isdigit()
    return is_group and int(digits) <= _LAST_SMALL_GROUP


def _is_number(text: str, platform: str) -> bool:
    """Return whether a platform writes a number so: none begins with 0, and few have a minus."""
    digits = text.removeprefix("-") if platform in _NEGATIVE else text
    return digits.isascii() and digits.isdigit() and not digits.startswith("0")


def _problem(route: Route, field: str, what: str, hint: str) -> Problem:
    return Problem(
        file=route.file,
        line=route.line,
        column=route.column,
        path=route.path,
        message=f"the {field} of route {route.label!r}: {what}, so no message can match it",
        hint=hint,
        code="unreachable",
    )
