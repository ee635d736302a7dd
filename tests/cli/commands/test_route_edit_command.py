"""`hermes-router route` edits the real file, keeps what it was, and takes itself back."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.cli.setup import last_edit
from hermes_router.cli.status import CommandError
from tests.cli.conftest import CHAT, Installation, Shown

PLACE = f"telegram:{CHAT}:9"
BACKUP, RECORD = "config.yaml.before-hermes-router", "hermes-router/last-edit.json"


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
    for name in (BACKUP, RECORD):
        assert (installation.home / name).stat().st_mode & 0o077 == 0


def test_what_cannot_be_done_is_said_and_changes_nothing(installation: Installation) -> None:
    before = installation.config.read_bytes()
    for arguments, status, words in (
        (
            ("add", PLACE, "nobody"),
            1,
            "no profile 'nobody'\nTIP: hermes profile create nobody --clone",
        ),
        (
            ("add", PLACE, "carer"),
            1,
            "TIP: did you mean 'career'? Or create it: hermes profile create carer --clone",
        ),
        (("add", f"telegram:{CHAT}:6", "finance"), 1, "already"),
        (("add", PLACE, ""), 1, "no profile ''\nTIP: a name has lower-case letters"),
        (
            ("add", PLACE, "../career"),
            1,
            "no profile '../career'\nTIP: did you mean 'career'? a name has lower-case letters",
        ),
        (("add", f"telegram:{CHAT}:6", "carer"), 1, "no profile 'carer'\nTIP: did you mean"),
        (("remove", PLACE), 1, "there is no route for"),
        (("add", "nonsense", "career"), 2, "not a place"),
        (("add", PLACE), 2, "add PLACE PROFILE"),
        (("undo",), 1, "no edit to undo"),
        (("undo", PLACE), 2, "write: hermes-router route undo"),
    ):
        done = installation.run("route", *arguments)
        assert (done.status, words in done.err) == (status, True), done
    assert installation.config.read_bytes() == before


def test_a_profile_is_spelled_as_in_a_configuration(installation: Installation) -> None:
    assert installation.run("route", "add", PLACE, " Career ").status == 0
    assert '"9": career\n' in installation.config.read_text()


def test_a_route_that_is_switched_off_is_told_as_one(installation: Installation) -> None:
    text = installation.config.read_text()
    off = "6: {profile: career, enabled: false}"
    installation.config.write_text(text.replace("6: career", off))
    done = installation.run("route", "add", f"telegram:{CHAT}:6", "finance")
    assert "has a route to 'career' that is not enabled" in done.err


def test_a_route_is_added_beside_a_file_of_routes(installation: Installation) -> None:
    """The file's path is relative to config.yaml."""
    text = "hermes_router: {routes_file: routes.yaml}\n"
    installation.config.write_text(text)
    (installation.home / "routes.yaml").write_text("telegram: {'5': finance}\n")
    done = installation.run("route", "add", PLACE, "career")
    assert (done.status, installation.config.read_text().startswith(text)) == (0, True), done
    removed = installation.run("route", "remove", "telegram:5")
    assert removed.status == 1
    assert f"is written in {installation.home / 'routes.yaml'}:1:12" in removed.err


def test_a_configuration_that_is_no_file_is_refused_at_once(installation: Installation) -> None:
    installation.config.unlink()
    os.mkfifo(installation.config)
    done = installation.run("route", "add", PLACE, "career")
    assert done.status == 1
    assert f"{installation.config}: cannot be read: it is not a regular file" in done.err


def test_of_commands_that_edit_at_once_each_does_what_it_says(installation: Installation) -> None:
    places = [f"telegram:777{number}" for number in range(1, 7)]
    words = [["route", "add", place, "career"] for place in places]
    started = [
        subprocess.Popen(
            [*installation.python, "-m", "hermes_router.cli", *arguments],
            env=installation.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for arguments in (*words, ["disable"], ["enable"])
    ]
    for process in started:
        said = process.communicate(timeout=100)
        assert process.returncode == 0, said
    text = installation.config.read_text()
    assert [place for place in places if f'"{place[9:]}": career' in text] == places


def test_a_file_that_somebody_edits_meanwhile_is_not_written(installation: Installation) -> None:
    home = GatewayHome(path=installation.home, chosen_by="--home")
    old = last_edit.read_text(home.config)
    installation.config.write_text(f"{old}# an editor was faster\n")
    with pytest.raises(CommandError, match="was changed by somebody else meanwhile"):
        last_edit.replace_text(home, old, "new: 1\n")
    assert installation.config.read_text().endswith("# an editor was faster\n")
    assert not (installation.home / BACKUP).exists()


def test_a_dry_run_prints_the_new_file(installation: Installation) -> None:
    before = installation.config.read_text()
    done = installation.run("route", "add", PLACE, "career", "--dry-run")
    assert done.status == 0
    assert '"9": career' in done.out
    assert installation.config.read_text() == before


def test_a_dry_run_in_a_file_is_the_new_file_byte_for_byte(installation: Installation) -> None:
    """An emoji of several characters, a tab, line ends, and our own command's name in a comment."""
    text = (
        "# hermes-router routes \N{WOMAN}\u200d\N{GIRL}\t\u2028\r\n"
        + installation.config.read_text()
    )
    installation.config.write_bytes(text.removesuffix("\n").encode())
    words = ["route", "add", PLACE, "career"]
    command = [*installation.python, "-m", "hermes_router.cli", *words, "--dry-run"]
    dry = subprocess.run(
        command, env=installation.environ(PYTHONUTF8="1"), capture_output=True, check=True
    )
    assert installation.run(*words).status == 0
    assert dry.stdout == installation.config.read_bytes()


def test_a_dry_run_of_undo_prints_the_old_file_too(installation: Installation) -> None:
    before = installation.config.read_text()
    installation.run("route", "add", PLACE, "career")
    after = installation.config.read_text()
    assert installation.run("route", "undo", "--dry-run").out == before
    assert installation.config.read_text() == after
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == before


# -- an undo that might lose something -------------------------------------------------------------


def refused(installation: Installation) -> Shown:
    """Have ``undo`` refuse, and return what it said; both files stay as they are."""
    files = [installation.config, installation.home / BACKUP]
    before = [file.read_bytes() for file in files]
    shown = installation.run("route", "undo")
    assert (shown.status, shown.out) == (1, "")
    assert [file.read_bytes() for file in files] == before
    return shown


def hinted(shown: Shown) -> list[list[str]]:
    """Return the commands that a hint names, in words."""
    [tip] = [line for line in shown.err.splitlines() if line.startswith("TIP: ")]
    return [shlex.split(part.split(": ")[-1]) for part in tip.split("; ")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# routes", "mine: kept\n# routes", "from line 1 on: 1 line added, 0 removed"),
        ("        8: default\n", "", "from line 8 on: 0 lines added, 1 removed"),
        ("6: career", "6: finance", "from line 6 on: 1 line added, 1 removed"),
    ],
)
def test_undo_does_not_lose_what_was_edited_by_hand_since(
    installation: Installation, old: str, new: str, said: str
) -> None:
    before = installation.config.read_text()
    installation.run("route", "add", PLACE, "career")
    text = installation.config.read_text()
    assert old in text
    installation.config.write_text(text.replace(old, new))
    shown = refused(installation)
    assert f"ERROR: {installation.config}: was edited since ({said})" in shown.err
    diff, copy = hinted(shown)
    backup = str(installation.home / BACKUP)
    assert diff == ["diff", backup, str(installation.config)]
    assert copy == ["cp", backup, str(installation.config)]
    subprocess.run(copy, check=True, timeout=60)
    assert installation.config.read_text() == before
    assert "no edit to undo: both files are the same" in refused(installation).err


def test_an_edit_that_was_taken_back_by_hand_does_not_hinder_undo(
    installation: Installation,
) -> None:
    before = installation.config.read_text()
    installation.run("route", "add", PLACE, "career")
    text = installation.config.read_text()
    installation.config.write_text(f"{text}mine: kept\n")
    refused(installation)
    installation.config.write_text(text)
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == before


def without_a_record(record: Path, backup: Path) -> None:
    assert backup.exists()
    record.unlink()


def with_a_broken_record(record: Path, backup: Path) -> None:
    assert backup.exists()
    record.write_text("{")


def with_the_record_of_another_edit(record: Path, backup: Path) -> None:
    assert record.exists()
    backup.write_text(f"{backup.read_text()}older: true\n")


@pytest.mark.parametrize(
    "change", [without_a_record, with_a_broken_record, with_the_record_of_another_edit]
)
def test_undo_refuses_where_it_is_not_known_what_the_edit_wrote(
    installation: Installation, change: object
) -> None:
    """An older version kept the backup only; it may also have made an edit after the record."""
    installation.run("route", "add", PLACE, "career")
    assert callable(change)
    change(installation.home / RECORD, installation.home / BACKUP)
    shown = refused(installation)
    assert "it is not known what the last edit wrote" in shown.err
    assert [command[0] for command in hinted(shown)] == ["diff", "cp"]


def test_undo_takes_back_what_init_did_to_the_file(installation: Installation) -> None:
    text = installation.config.read_text().split("plugins:")[0]
    installation.config.write_text(text)
    installation.run("init", "--map", f"{PLACE}=career")
    after = installation.config.read_text()
    assert "plugins:" in after
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == text
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == after
    assert installation.run("init", "--undo").status == 0
    assert installation.config.read_text() == text
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == after


def test_undo_repeats_what_init_took_back_from_an_edited_file(installation: Installation) -> None:
    installation.config.write_text(installation.config.read_text().split("plugins:")[0])
    installation.run("init", "--map", f"{PLACE}=career")
    edited = f"mine: kept\n{installation.config.read_text()}"
    installation.config.write_text(edited)
    refused(installation)
    assert installation.run("init", "--undo").status == 0
    assert "hermes-router" not in installation.config.read_text()
    assert installation.run("route", "undo").status == 0
    assert installation.config.read_text() == edited


# -- words -----------------------------------------------------------------------------------------


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
        (
            ("add", PLACE, "nobody"),
            f"HERMES_HOME={installation.home} hermes profile create nobody --clone",
        ),
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
