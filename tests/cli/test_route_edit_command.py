"""`hermes-router route` edits the real file, keeps what it was, and takes itself back."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CHAT, Installation

PLACE = f"telegram:{CHAT}:9"


def test_a_route_is_added_removed_and_taken_back(installation: Installation) -> None:
    before = installation.config.read_bytes()
    done = installation.run("route", "add", PLACE, "career")
    assert done.status == 0, done.err
    assert "route undo" in done.err
    assert installation.run("test-route", PLACE, "--json").json["route"]["profile"] == "career"
    assert installation.run("route", "remove", PLACE).status == 0
    assert installation.config.read_bytes() == before
    assert installation.run("route", "undo").status == 0
    assert b"9" in installation.config.read_bytes()
    assert (installation.home / "config.yaml.before-hermes-router").stat().st_mode & 0o077 == 0


def test_what_cannot_be_done_is_said_and_changes_nothing(installation: Installation) -> None:
    before = installation.config.read_bytes()
    for arguments, status, words in (
        (("add", PLACE, "nobody"), 1, "no profile 'nobody'"),
        (("add", f"telegram:{CHAT}:6", "finance"), 1, "already"),
        (("remove", PLACE), 1, "there is no route for"),
        (("add", "nonsense", "career"), 2, "not a place"),
        (("add", PLACE), 2, "add PLACE PROFILE"),
        (("undo",), 1, "no edit to undo"),
    ):
        done = installation.run("route", *arguments)
        assert (done.status, words in done.err) == (status, True), done
    assert installation.config.read_bytes() == before


def test_a_dry_run_prints_the_new_file(installation: Installation) -> None:
    before = installation.config.read_text()
    done = installation.run("route", "add", PLACE, "career", "--dry-run")
    assert done.status == 0
    assert '"9": career' in done.out
    assert installation.config.read_text() == before


def test_every_command_that_a_hint_names_acts_on_the_home_that_was_given(
    installation: Installation,
) -> None:
    home = ("--home", str(installation.home))
    elsewhere = installation.environ(HERMES_HOME=str(installation.base / "user"))
    ours = f"--home {installation.home}"
    for arguments, words in (
        (("add", PLACE, "career"), f"hermes-router route undo {ours}"),
        (("undo",), f"hermes-router route undo {ours}"),
        (("remove", PLACE), f"hermes-router routes {ours}"),
        (("add", PLACE, "nobody"), f"HERMES_HOME={installation.home} hermes profile create nobody"),
        (
            ("add", f"telegram:{CHAT}:6", "finance"),
            f"hermes-router route remove telegram:{CHAT}:6 {ours}",
        ),
        (("add", PLACE), f"hermes-router route add PLACE PROFILE {ours}"),
    ):
        done = installation.run("route", *arguments, *home, env=elsewhere)
        assert words in done.err, done


@pytest.mark.parametrize(
    ("said", "place"),
    [
        (f"https://t.me/c/{CHAT.removeprefix('-100')}/9", PLACE),
        (f" Telegram: {CHAT} / 9 ".replace(" / ", "/"), PLACE),
        ("telegram:-42:General", "telegram:-42:general"),
        ("https://discord.com/channels/1/222/333", "discord:222"),
    ],
)
def test_a_place_may_be_written_as_test_route_takes_it(
    installation: Installation, said: str, place: str
) -> None:
    done = installation.run("route", "add", said, "career")
    assert (done.status, f"{place} is routed to career" in done.out) == (0, True), done
    assert installation.run("test-route", said, "--json").json["route"]["profile"] == "career"
    assert installation.run("route", "remove", said).status == 0


@pytest.mark.parametrize("said", ["telegram:ours", "https://t.me/ours/5", "signal:group:abc"])
def test_a_place_that_no_message_can_come_from_is_refused(
    installation: Installation, said: str
) -> None:
    before = installation.config.read_bytes()
    assert installation.run("route", "add", said, "career").status == 2
    assert installation.config.read_bytes() == before
