"""A profile's own bot, and the gateway's that was copied with everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.profiles.bots import has_own_bot

SHARED = "TELEGRAM_BOT_TOKEN=1:shared\nOPENAI_API_KEY=key\n"
IN_CONFIG = "platforms: {telegram: {token: '1:shared'}}\n"


@pytest.mark.parametrize(
    ("gateway", "profile", "own"),
    [
        ({".env": SHARED}, {".env": "OPENAI_API_KEY=other\n"}, False),
        ({".env": SHARED}, {".env": SHARED}, False),
        ({".env": SHARED}, {".env": "TELEGRAM_BOT_TOKEN=\n"}, False),
        ({".env": SHARED}, {".env": "TELEGRAM_BOT_TOKEN=2:own\n"}, True),
        ({".env": SHARED}, {".env": SHARED + "DISCORD_BOT_TOKEN='own'\n"}, True),
        ({"config.yaml": IN_CONFIG}, {"config.yaml": IN_CONFIG}, False),
        ({"config.yaml": IN_CONFIG}, {".env": SHARED}, False),
        ({}, {"config.yaml": "gateway: {platforms: {slack: {token: own}}}\n"}, True),
        ({}, {"config.yaml": "platforms: {slack: {token: }}\n"}, False),
        ({}, {"config.yaml": "platforms: [\n"}, False),
    ],
)
def test_a_bot_is_ones_own_unless_it_is_the_gateways(
    tmp_path: Path, gateway: dict[str, str], profile: dict[str, str], own: bool
) -> None:
    make(tmp_path, gateway, profile)
    assert has_own_bot(tmp_path / "profile", tmp_path / "gateway") is own


def test_a_link_is_followed_and_what_is_no_text_is_no_bot(tmp_path: Path) -> None:
    make(tmp_path, {".env": SHARED}, {})
    (tmp_path / "dotfile").write_text("TELEGRAM_BOT_TOKEN=2:own\n")
    (tmp_path / "profile" / ".env").symlink_to(tmp_path / "dotfile")
    assert has_own_bot(tmp_path / "profile", tmp_path / "gateway")
    (tmp_path / "dotfile").write_bytes(b"\xff\xfe=\xff\n")
    assert not has_own_bot(tmp_path / "profile", tmp_path / "gateway")


def make(tmp_path: Path, gateway: dict[str, str], profile: dict[str, str]) -> None:
    for folder, files in (("gateway", gateway), ("profile", profile)):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
