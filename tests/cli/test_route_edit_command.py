"""`hermes-router route` edits the real file, keeps what it was, and takes itself back."""

from __future__ import annotations

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
