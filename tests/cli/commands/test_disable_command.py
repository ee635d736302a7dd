"""`hermes-router disable`: what `enable` and the router did is undone, and nothing else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from hermes_router.cli.setup.plugin_edit import CannotEdit, without_plugin
from tests.cli.conftest import Installation
from tests.kit import FakeTelegram

NAME = "hermes-router"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plugins:\n  enabled:\n    - hermes-router\n", "plugins:\n  enabled: []\n"),
        (
            "a: 1\nplugins:\n  enabled:\n  - x # mine\n  - hermes-router\n  - y\nb: 2\n",
            "a: 1\nplugins:\n  enabled:\n  - x # mine\n  - y\nb: 2\n",
        ),
        ("plugins: {enabled: [hermes-router]}\n", "plugins: {enabled: []}\n"),
        ("plugins: {enabled: [a, hermes-router]}\n", "plugins: {enabled: [a]}\n"),
        ("plugins: {enabled: [hermes-router, a]}\n", "plugins: {enabled: [a]}\n"),
        ("plugins:\r\n  enabled: [hermes-router]\r\n", "plugins:\r\n  enabled: []\r\n"),
        (
            "a: 1\r\nplugins:\n  enabled:\n  - x\n  - hermes-router\r\nb: 2\n",
            "a: 1\r\nplugins:\n  enabled:\n  - x\nb: 2\n",
        ),
        ("plugins:\n  enabled: # mine\n    - hermes-router", "plugins:\n  enabled: [] # mine"),
        ("plugins:\n  enabled:\n    - a\n    - hermes-router", "plugins:\n  enabled:\n    - a"),
        ("plugins: {enabled: [hermes-router, a, hermes-router]}\n", "plugins: {enabled: [a]}\n"),
        (
            "plugins:\n  enabled:\n  - hermes-router\n  # both\n  - hermes-router\nb: 2\n",
            "plugins:\n  enabled: []\n  # both\nb: 2\n",
        ),
    ],
)
def test_the_name_goes_and_the_rest_stays(text: str, wanted: str) -> None:
    assert without_plugin(text, NAME) == wanted


def test_an_edit_that_would_say_something_else_is_refused() -> None:
    with pytest.raises(CannotEdit):
        without_plugin("x: &x [hermes-router]\nplugins: {enabled: *x}\n", NAME)


def test_a_refused_edit_says_what_to_take_out(installation: Installation) -> None:
    installation.config.write_text("x: &x [hermes-router]\nplugins: {enabled: *x}\n")
    done = installation.run("disable")
    assert done.status == 1
    assert "TIP: edit it yourself: take hermes-router out of `enabled`" in done.err


def test_after_enable_disable_leaves_what_was_there(installation: Installation) -> None:
    text = installation.config.read_text().replace("enabled: [hermes-router]", "enabled: []")
    installation.config.write_text(text)
    before = set(installation.home.rglob("*"))
    enabled = installation.run("enable")
    assert enabled.status == 0
    assert "parked for Hermes's own gateway: career, finance" in enabled.out
    assert (installation.profile("career") / "gateway.parked").exists()
    assert installation.run("enable").status == 0
    done = installation.run("disable")
    assert done.status == 0, done.err
    assert set(installation.home.rglob("*")) == before
    assert installation.config.read_text() == text


def test_a_sandboxed_profile_is_parked_whatever_it_writes_into_its_home(
    installation: Installation, tmp_path: Path
) -> None:
    installation.config.write_text(
        installation.config.read_text()
        + "hermes_router: {profiles: {career: {launcher: bubblewrap}}}\n"
    )
    career, elsewhere = installation.profile("career"), tmp_path / "elsewhere"
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=1:x\n")
    (career / "gateway.parked").symlink_to(elsewhere)
    assert "career" in installation.run("enable").out
    assert (career / "gateway.parked").is_file()
    assert not elsewhere.exists()
    (career / "gateway.parked").unlink()
    os.mkfifo(career / "gateway.parked")
    assert installation.run("disable").status == 0


def test_a_profile_with_a_bot_of_its_own_is_not_parked(installation: Installation) -> None:
    (installation.profile("career") / ".env").write_text("TELEGRAM_BOT_TOKEN=1:x\n")
    (installation.profile("finance") / "gateway.parked").write_text("")
    installation.run("enable")
    assert not (installation.profile("career") / "gateway.parked").exists()
    installation.run("disable")  # somebody else's marker is theirs
    assert (installation.profile("finance") / "gateway.parked").read_text() == ""


def test_purge_leaves_nothing_of_ours(installation: Installation) -> None:
    career = installation.profile("career")
    before = set(installation.base.rglob("*"))
    for folder in (installation.home, career):
        (folder / "hermes-router" / "open").mkdir(parents=True)
        (folder / "hermes-router" / "conversations.json").write_text("{}")
    (career / "logs").mkdir()
    for name in ("hermes-router-worker.log", "hermes-router-worker.log.1", "agent.log"):
        (career / "logs" / name).write_text("")
    (installation.base / "state" / "hermes-router").mkdir(parents=True)
    done = installation.run("disable", "--purge")
    assert done.status == 0, done.err
    left = set(installation.base.rglob("*")) - before
    assert left == {career / "logs", career / "logs" / "agent.log", installation.base / "state"}


def test_the_code_is_removed_from_this_python_where_no_hermes_is_on_path(
    installation: Installation,
) -> None:
    done = installation.run("disable", "--purge", env=installation.environ(PATH="/usr/bin:/bin"))
    assert done.status == 0
    assert f"{sys.executable} " in done.err.partition("TIP: to remove the code: ")[2]
    assert "PYTHON_OF_HERMES" not in done.err


def test_the_menus_of_routed_chats_are_forgotten(installation: Installation) -> None:
    with FakeTelegram() as telegram:
        (installation.home / "hermes-router").mkdir()
        file = installation.home / "hermes-router" / "menus.json"
        file.write_text(json.dumps({"offered": {}, "shown": {"telegram": {"-1001": "x"}}}))
        with installation.config.open("a") as config:
            section = {"token": telegram.token, "extra": {"base_url": telegram.base_url}}
            config.write(f"platforms: {json.dumps({'telegram': section})}\n")
        done = installation.run("disable")
    assert "menus removed in 1 chat" in done.out
    (call,) = telegram.calls("deleteMyCommands")
    assert json.loads(file.read_text())["shown"]["telegram"] == {}
    assert call.params["scope"]["chat_id"] == -1001
