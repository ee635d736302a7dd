"""Compare the ids of people on WhatsApp: a person has several ids, and a route may name any.

The id of a private chat is a phone number, a number with a domain (``@s.whatsapp.net``), or an id
that hides the number (``@lid``). Hermes recognises by their form that the first two are equal. For
the third it uses what its WhatsApp bridge has learned. The ids of groups, broadcasts and
newsletters are compared as plain text.
"""

from __future__ import annotations

import re

PLATFORMS = frozenset({"whatsapp", "whatsapp_cloud"})

_NO_PERSON = ("@g.us", "@broadcast", "@newsletter")

#: The characters of an id that Hermes compares in this way; other ids are compared as plain text.
_SOUND = re.compile(r"[A-Za-z0-9@.+\-]+")


def same_for_all(platform: str, chat: str) -> str:
    """Return a text that is equal for the ids of one WhatsApp chat that differ in form only.

    For a private chat it is the number without a plus sign and a domain. On other platforms, and
    for groups, it is the id itself.
    """
    if platform not in PLATFORMS or is_no_person(chat):
        return chat
    number = chat.strip().replace("+", "", 1).partition(":")[0].partition("@")[0]
    return number if _SOUND.fullmatch(number) else chat


def is_no_person(chat: str) -> bool:
    """Return True if a WhatsApp id belongs to a group, a broadcast or a newsletter."""
    return chat.strip().lower().endswith(_NO_PERSON)
