"""`hermes-router routes`, with and without `--check`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CHAT, CONFIG, ROOT, Installation


def test_the_table_is_shown_most_specific_first(installation: Installation) -> None:
    shown = installation.run("routes")
    rows = [line for line in shown.out.splitlines() if line.startswith("telegram ")]
    assert [row.split("config.yaml:")[1].split(":")[0] for row in rows] == [
        "6",
        "7",
        "8",
        "9",
        "10",
    ]
    assert "usable" in rows[0]
    assert f"telegram chat {CHAT} -> finance" in rows[0]
    assert "UNUSABLE" in rows[1]
    assert "gateway" in rows[2]
    assert "absent: the profile does not exist" in shown.out
    assert "not running" in shown.out
    assert shown.status == 3


def test_a_part_of_the_table_is_shown(installation: Installation) -> None:
    shown = installation.run("routes", "--profile", "absent")
    assert [line for line in shown.out.splitlines() if "UNUSABLE" in line]
    assert "career" not in shown.out
    assert "1 route of 5" in shown.out
    assert shown.status == 3
    shown = installation.run("routes", "--profile", "career", "--platform", "discord")
    assert "0 routes of 5" in shown.out
    routes = installation.run("routes", "--profile", "absent", "--json").json["routes"]
    assert [route["profile"] for route in routes] == ["absent"]


def test_a_name_without_a_profile_and_a_route_is_a_wrong_command_line(
    installation: Installation,
) -> None:
    shown = installation.run("routes", "--profile", "carer")
    assert (shown.status, shown.out) == (2, "")
    assert shown.err.startswith("ERROR: there is no profile 'carer'\nTIP: did you mean 'career'?")
    installation.add_profile("unrouted", "")
    assert "0 routes of 5" in installation.run("routes", "--profile", "unrouted").out
    installation.config.write_text("plugins: [\n")
    assert "not valid YAML" in installation.run("routes", "--profile", "carer").err


@pytest.mark.parametrize("name", ["telegramm", ""])
def test_a_platform_that_nothing_has_is_a_wrong_command_line(
    installation: Installation, name: str
) -> None:
    shown = installation.run("routes", "--platform", name)
    assert (shown.status, shown.out) == (2, "")
    assert f"no route and no known Hermes has the platform {name!r}\nTIP: " in shown.err
    assert "routes exist for: telegram" in shown.err


def test_names_are_spelled_as_people_spell_them(installation: Installation) -> None:
    shown = installation.run("routes", "--platform", "Telegram", "--profile", "Absent")
    assert "1 route of 5" in shown.out


def test_a_file_that_is_checked_is_checked_as_a_whole(installation: Installation) -> None:
    shown = installation.run("routes", "--check", str(installation.config), "--profile", "absent")
    assert shown.status == 2
    assert "do not work together with --check" in shown.err


def test_a_table_without_trouble_is_status_0(installation: Installation) -> None:
    installation.config.write_text(CONFIG.replace("        7: absent\n", ""))
    shown = installation.run("routes")
    assert shown.status == 0
    assert shown.err == ""


def test_what_a_route_takes_from_is_the_next_wider_one(installation: Installation) -> None:
    installation.config.write_text(
        """\
profile_routes:
  - {name: all, platform: discord, profile: career}
  - {name: server, platform: discord, guild_id: 1, profile: finance}
  - {name: room, platform: discord, guild_id: 1, chat_id: 2, profile: career}
  - {name: person, platform: discord, guild_id: 1, chat_id: 2, user_id: 3, profile: finance}
  - {name: thread, platform: discord, chat_id: 2, thread_id: 4, profile: career}
  - {name: off, platform: discord, chat_id: 9, profile: career, enabled: false}
"""
    )
    routes = installation.run("routes", "--json").json["routes"]
    wider = {route["name"]: (route["takes_from"] or {}).get("label") for route in routes}
    assert wider == {
        "thread": "all",
        "person": "room",
        "room": "server",
        "server": "all",
        "off": None,
        "all": None,
    }
    assert [route["name"] for route in routes][:2] == ["person", "thread"]


def test_a_broken_file_is_told_and_what_a_running_gateway_does(installation: Installation) -> None:
    installation.config.write_text("profile_routes: [{platform: telegram, profil: career}]\n")
    shown = installation.run("routes")
    assert shown.status == 2
    assert "unknown key 'profil'" in shown.err
    assert "did you mean 'profile'?" in shown.err
    assert (
        "NOTE: a gateway that starts with this file answers in no place until you correct it"
        in shown.err
    )
    assert installation.run("routes", "--json").json["exit_status"] == 2


def test_shadowed_and_conflicting_routes_are_told_with_both_places(
    installation: Installation,
) -> None:
    route = "{platform: telegram, chat_id: 1, profile: %s}"
    installation.config.write_text(
        f"profile_routes: [{route % 'career'}, {route % 'finance'}, {route % 'career'}]\n"
    )
    shown = installation.run("routes")
    assert shown.status == 2
    assert "conflicts with" in shown.err
    assert "is never reached" in shown.err


def test_no_routes_are_told_in_words(installation: Installation) -> None:
    installation.config.unlink()
    shown = installation.run("routes")
    assert shown.status == 0
    assert "no routes: every message is unmatched" in shown.out
    assert "Hermes has seen: hermes-router init\n" in shown.out
    assert "one route: hermes-router route add PLACE PROFILE\n" in shown.out


def test_the_next_step_without_routes_names_the_home_that_was_given(
    installation: Installation,
) -> None:
    installation.config.write_text("plugins: {enabled: [hermes-router]}\n")
    home = str(installation.home)
    shown = installation.run("routes", "--home", home).out
    assert f"hermes-router init --home {home}\n" in shown
    assert f"hermes-router route add PLACE PROFILE --home {home}\n" in shown


def test_a_profile_whose_own_gateway_runs_is_told(installation: Installation) -> None:
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    record = {"pid": os.getpid(), "kind": "hermes-gateway", "argv": sys.argv, "start_time": start}
    (installation.profile("career") / "gateway.pid").write_text(json.dumps(record))
    shown = installation.run("routes")
    assert f"a gateway of its own running, process {os.getpid()}" in shown.out
    profiles = installation.run("routes", "--json").json["profiles"]
    assert {p["name"]: p["own_gateway_pid"] for p in profiles}["career"] == os.getpid()


@pytest.mark.parametrize(
    ("thread", "status", "lines"),
    [
        ("6", 0, ["answered by a worker of profile career", "  route  ", "  gateway  not running"]),
        ("8", 0, ["answered by the gateway itself, profile default", "  route  ", "  gateway  "]),
        ("", 1, ["unmatched: answered by the gateway itself", "  no route  ", "  gateway  "]),
    ],
)
def test_who_answers_a_place_is_told_in_three_lines(
    installation: Installation, thread: str, status: int, lines: list[str]
) -> None:
    place = f"telegram:{CHAT}:{thread}" if thread else "telegram:42"
    shown = installation.run("test-route", place)
    assert (shown.status, shown.err) == (status, "")
    told = shown.out.splitlines()
    assert len(told) == 3, shown.out
    assert [line[: len(start)] for line, start in zip(told, lines, strict=True)] == lines


# -- --check ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "configs").glob("*.yaml")))
def test_every_example_configuration_passes_the_check(
    installation: Installation, name: str
) -> None:
    shown = installation.run("routes", "--check", str(ROOT / "configs" / name))
    assert shown.status == 0, shown.err


def test_a_check_needs_no_home_and_asks_for_no_profile(installation: Installation) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(installation.base / "nobody")}
    shown = installation.run("routes", "--check", str(installation.config), env=env)
    assert shown.status == 0
    assert "5 routes, no errors or warnings" in shown.out


def test_a_check_asks_for_the_profiles_of_a_home_that_is_named(installation: Installation) -> None:
    arguments = ("routes", "--check", str(installation.config), "--home", str(installation.home))
    shown = installation.run(*arguments)
    assert shown.status == 3
    assert "the profile 'absent' does not exist" in shown.err
    answer = installation.run(*arguments, "--json")
    assert answer.json["problems"][0]["code"] == "missing-profile"


def test_a_check_of_a_broken_file_fails(installation: Installation) -> None:
    draft = installation.base / "draft.yaml"
    draft.write_text("gateway: {profile_routes: {telegram: {x: {y: {z: 1}}}}}\n")
    shown = installation.run("routes", "--check", "draft.yaml")
    assert shown.status == 2
    assert "draft.yaml:1:" in shown.err
    answer = installation.run("routes", "--check", "draft.yaml", "--json")
    assert answer.json["exit_status"] == 2
    assert answer.json["problems"]


def test_a_strict_check_counts_warnings(installation: Installation) -> None:
    block = "hermes_router: {profiles: {nobody: {share: [auth]}}}\n"
    installation.config.write_text(CONFIG + block)
    plain = installation.run("routes", "--check", str(installation.config))
    assert plain.status == 0
    assert "but no route leads to it" in plain.err
    assert installation.run("routes", "--check", str(installation.config), "--strict").status == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--check", "nowhere.yaml"], "there is no such file"),
        (["--check", "."], "it is not a regular file"),
        (["--strict"], "--strict works only together with --check"),
        (["--check"], "expected one argument"),
        (["telegram:1"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    installation: Installation, arguments: list[str], complaint: str
) -> None:
    shown = installation.run("routes", *arguments)
    assert shown.status == 2
    assert complaint in shown.err


def test_a_home_that_is_a_link_is_mended_in_two_steps(installation: Installation) -> None:
    (installation.home / "profiles" / "absent").symlink_to("..")
    shown = installation.run("routes", "--home", str(installation.home))
    assert "a link to another profile's home or to the root" in shown.out
    link = installation.home / "profiles" / "absent"
    create = f"HERMES_HOME={installation.home} hermes profile create absent --clone"
    assert f"rm {link}; {create}" in shown.out
    assert "did you mean" not in shown.out
    assert f"hermes-router doctor --home {installation.home} shows more" in shown.out


def test_twenty_thousand_routes_are_shown_in_part(installation: Installation) -> None:
    profiles = ("career", "finance", "finance")
    chats = {
        str(-1001000000000 - chat): {str(topic): profiles[topic % 3] for topic in range(1, 101)}
        for chat in range(200)
    }
    routes = {"gateway": {"profile_routes": {"telegram": chats}}}
    installation.config.write_text(json.dumps(routes))
    shown = installation.run("routes", "--profile", "career", "--platform", "telegram")
    assert "6600 routes of 20000" in shown.out
    assert len([line for line in shown.out.splitlines() if "career" in line]) == 6600
    (one,) = installation.run("test-route", "telegram:-1001000000199:99").out.splitlines()[:1]
    assert "career" in one
