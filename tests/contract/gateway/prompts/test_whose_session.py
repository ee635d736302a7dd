"""Whose session a message belongs to, by Hermes's own keys: one person's, or the whole place's."""

from __future__ import annotations

import pytest
from gateway.config import Platform
from gateway.session import SessionSource

from hermes_router.hermes.compat.seams.message_sources import is_personal


@pytest.mark.parametrize(
    ("kind", "thread", "user", "per_user", "personal"),
    [
        ("group", None, "7", True, True),
        ("group", None, "7", False, False),
        ("group", "6", "7", True, False),  # a thread is everybody's unless the profile says else
        ("dm", None, "7", True, False),  # nobody else can write there
        ("group", None, None, True, False),  # a group that the bot listens to: Hermes names nobody
    ],
)
def test_a_session_is_one_persons_if_another_would_have_another(
    kind: str, thread: str | None, user: str | None, *, per_user: bool, personal: bool
) -> None:
    source = SessionSource(
        platform=Platform("telegram"), chat_id="-1", chat_type=kind, thread_id=thread, user_id=user
    )
    assert is_personal(source, group_per_user=per_user, thread_per_user=False) is personal
