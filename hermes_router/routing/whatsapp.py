"""Ids of people on WhatsApp: one person has several, and a route may name any of them.

The same private chat is a phone number, a number with a domain (``@s.whatsapp.net``), or an id that
hides the number (``@lid``). Hermes takes the first two for one by their form, and the third by
what the bridge has learned. Groups, broadcasts and newsletters are compared as they are.
"""

from __future__ import annotations

import re

PLATFORMS = frozenset({"whatsapp", "whatsapp_cloud"})

_NO_PERSON = ("@g.us", "@broadcast", "@newsletter")

#: What may stand in an id that Hermes compares by more than its text.
_SOUND = re.compile(r"[A-Za-z0-9@.+\-]+")


def same_for_all(platform: str, chat: str) -> str:
    """Return the form that the ids of one chat share; on other platforms the id itself."""
    if platform not in PLATFORMS or is_no_person(chat):
        return chat
    number = chat.strip().replace("+", "", 1).partition(":")[0].partition("@")[0]
    return number if _SOUND.fullmatch(number) else chat


def is_no_person(chat: str) -> bool:
    """Say whether an id of WhatsApp is a group's or a list's."""
    return chat.strip().lower().endswith(_NO_PERSON)
