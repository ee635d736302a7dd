"""A reload says by name what has changed."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from hermes_router.config.changes import changes
from hermes_router.config.digest import digest
from hermes_router.config.model import load
from hermes_router.config.watcher import ConfigWatcher

OLD = """\
gateway:
  profile_routes:
    telegram:
      "-100": {6: career, 7: kid}
hermes_router:
  defaults: {limits: {queue: 3}}
  profiles:
    kid: {share: [auth]}
"""
NEW = """\
gateway:
  profile_routes:
    telegram:
      "-100": {6: finance, 8: kid}
hermes_router:
  unmatched: deny
  defaults: {limits: {queue: 5}}
  profiles:
    kid: {timeouts: {turn: 60}}
"""


def test_each_changed_route_and_setting_is_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(NEW)
    said = changes(load(old), load(new))
    assert "route removed: telegram:-100:7 -> kid" in said
    assert "route added: telegram:-100:8 -> kid" in said
    assert "route changed: telegram:-100:6 -> finance, was career" in said
    assert "defaults.limits.queue: 5, was 3" in said
    assert "profiles.kid.timeouts.turn: 60.0, was 0.0" in said
    assert "profiles.kid.share: [], was [auth]" in said
    assert any(line.startswith("unmatched") and "deny" in line for line in said)
    assert len(said) == 7
    assert changes(load(old), load(old)) == []


OF_ONE_BOT = """\
gateway:
  profile_routes:
    - {platform: telegram, chat_id: "-100", profile: career}
    - {platform: telegram, chat_id: "-100", profile: finance, bot_profile: kid}
"""


def test_the_routes_of_one_place_for_two_bots_are_two_routes(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OF_ONE_BOT)
    new.write_text(OF_ONE_BOT.replace("bot_profile: kid", "bot_profile: systems"))
    assert sorted(changes(load(old), load(new))) == [
        "route added: telegram:-100 bot of systems -> finance",
        "route removed: telegram:-100 bot of kid -> finance",
    ]
    assert digest(load(old)) != digest(load(new))


def test_a_new_file_is_not_listed_without_end(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    many = "\n".join(f"      '{number}': kid" for number in range(1, 300))
    new.write_text(f"gateway:\n  profile_routes:\n    telegram:\n{many}\n")
    said = changes(load(old), load(new))
    assert len(said) == 51
    assert "more changes" in said[-1]


def test_the_log_says_it_at_a_reload_and_not_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(OLD)
    _age(file)
    watcher = ConfigWatcher(file, lambda: load(file))
    with caplog.at_level(logging.INFO):
        watcher.current()
        assert "route added" not in caplog.text
        file.write_text(NEW)
        _age(file, 5)
        watcher.current()
    assert "configuration: route added: telegram:-100:8 -> kid" in caplog.text


def _age(file: Path, seconds: float = 10) -> None:
    past = time.time() - seconds
    os.utime(file, (past, past))
