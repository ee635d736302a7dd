"""Members of adapters through which a message may leave its thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_mattermost_post(adapter: Any, around: Callable[[Any], Any]) -> None:
    """Replace the method that repeats a refused post, by what ``around`` makes of it."""
    original = getattr(adapter, "_post_preserving_thread", None)
    if original is not None:
        adapter._post_preserving_thread = around(original)


def replace_typing_cards(adapter: Any, around: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Replace the mapping in which Google Chat's adapter keeps its typing cards."""
    adapter._typing_messages = around(getattr(adapter, "_typing_messages", {}))


def replace_feishu_send(adapter: Any, around: Callable[[Any], Any]) -> None:
    """Replace the method through which Feishu's adapter sends, and repeats what was refused."""
    original = getattr(adapter, "_feishu_send_with_retry", None)
    if original is not None:
        adapter._feishu_send_with_retry = around(original)
