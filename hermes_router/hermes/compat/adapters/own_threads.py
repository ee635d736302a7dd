"""Replace members of adapters through which a message may leave its thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_mattermost_post(adapter: Any, around: Callable[[Any], Any]) -> None:
    """Replace the method of Mattermost's adapter that posts, and repeats a refused post elsewhere.

    The new method can keep a post in its thread. ``around`` gets the old method and returns the new
    one. An adapter without it stays as it is.
    """
    original = getattr(adapter, "_post_preserving_thread", None)
    if original is not None:
        adapter._post_preserving_thread = around(original)


def replace_typing_cards(adapter: Any, around: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Replace the mapping in which Google Chat's adapter keeps its messages that say "typing".

    The adapter turns such a message into the reply, perhaps in another thread. ``around`` gets the
    old mapping and returns the new one.
    """
    adapter._typing_messages = around(getattr(adapter, "_typing_messages", {}))


def replace_feishu_send(adapter: Any, around: Callable[[Any], Any]) -> None:
    """Replace the method of Feishu's adapter that sends, and repeats a refused message elsewhere.

    The new method can keep a message in its thread. ``around`` gets the old method and returns the
    new one. An adapter without it stays as it is.
    """
    original = getattr(adapter, "_feishu_send_with_retry", None)
    if original is not None:
        adapter._feishu_send_with_retry = around(original)
