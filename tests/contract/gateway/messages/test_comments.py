"""Comments on documents, which Hermes's real Feishu adapter answers itself, with its own model."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import PlatformConfig

from hermes_router.config import model
from hermes_router.hermes.features.adapters.comments import drop_routed_comments

_ROUTES = """
gateway:
  profile_routes:
  - {platform: feishu, user_id: ou_kid, profile: kids}
  - {platform: feishu, user_id: ou_dad, profile: default}
hermes_router: {unmatched: {feishu: UNMATCHED}}
"""


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the real adapter; ``answered`` lists the people whose comments it would answer."""
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    module = importlib.import_module("plugins.platforms.feishu.adapter")
    comments = importlib.import_module("plugins.platforms.feishu.feishu_comment")
    adapter = module.FeishuAdapter(PlatformConfig(enabled=True))
    adapter.answered = []
    monkeypatch.setattr(
        comments,
        "handle_drive_comment_event",
        lambda _client, event, **_more: comments.parse_drive_comment_event(event)["from_open_id"],
    )
    # 0.19 makes the coroutine itself and hands it to the loop; later ones hand on what makes it.
    adapter._loop_accepts_callbacks = lambda _loop: True
    adapter._submit_on_loop = lambda _loop, person: adapter.answered.append(person)
    return adapter


def comment_by(person: str) -> Any:
    meta = {"from_user_id": {"open_id": person}, "file_token": "f", "file_type": "docx"}
    return SimpleNamespace(event={"comment_id": "1", "notice_meta": meta})


@pytest.mark.parametrize(
    ("unmatched", "bot", "answered"),
    [
        ("default", None, ["ou_dad", "ou_guest"]),
        ("deny", None, ["ou_dad"]),
        ("family", None, ["ou_dad"]),
        ("deny", "systems", ["ou_kid", "ou_dad", "ou_guest"]),  # that profile's own bot answers
    ],
)
def test_comments_of_people_whom_the_gateway_does_not_answer_are_dropped(
    adapter: Any, tmp_path: Path, unmatched: str, bot: str | None, answered: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(_ROUTES.replace("UNMATCHED", unmatched))
    config = model.load(tmp_path / "config.yaml")
    adapter._owner_profile = bot
    drop_routed_comments(adapter, lambda: config)
    for person in ("ou_kid", "ou_dad", "ou_guest"):
        adapter._on_drive_comment_event(comment_by(person))
    assert adapter.answered == answered


def test_without_a_configuration_no_comment_is_answered(adapter: Any) -> None:
    drop_routed_comments(adapter, lambda: None)
    adapter._on_drive_comment_event(comment_by("ou_dad"))
    assert adapter.answered == []
