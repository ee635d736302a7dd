"""`hermes-router init`: from what Hermes has seen to routes, with flags and on a terminal."""

from __future__ import annotations

import difflib
import json
import shlex
import sqlite3
import sys
from pathlib import Path

import pytest
import yaml

from hermes_router.cli.commands import enable, init
from hermes_router.cli.inspect.homes import gateway_home
from hermes_router.cli.setup.plugin_names import plugin_lists
from hermes_router.routing.table import Place
from hermes_router.state.known_conversations import (
    KnownConversation,
    KnownConversations,
    file_of,
)
from tests.cli.conftest import CHAT, Installation
from tests.kit.outside.terminal import DOWN, ENTER, UP, pressed

NEW = f"telegram:{CHAT}:9"


@pytest.fixture
def seen(installation: Installation) -> Installation:
    """The installation after some conversations, as each kind of Hermes's files tells them."""
    directory = {
        "telegram": [
            {"id": f"{CHAT}:9", "name": "Ours / topic 9", "type": "forum", "thread_id": "9"},
            {"id": "700000001", "name": "Ada", "type": "dm", "thread_id": None},
        ]
    }
    (installation.home / "channel_directory.json").write_text(json.dumps({"platforms": directory}))
    (installation.home / "sessions").mkdir()
    origin = {"platform": "telegram", "chat_id": CHAT, "thread_id": "1", "chat_name": "Ours"}
    (installation.home / "sessions" / "sessions.json").write_text(
        json.dumps({"key": {"origin": origin, "chat_type": "forum"}})
    )
    database(installation.home / "state.db")
    return installation


def database(file: Path) -> None:
    origin = {"chat_id": CHAT, "thread_id": "9", "chat_name": "Ours", "chat_topic": "Ca\nreer"}
    with sqlite3.connect(file) as link:
        link.execute(
            "CREATE TABLE sessions (source, session_key, chat_id, thread_id, chat_type,"
            " display_name, origin_json, started_at)"
        )
        link.executemany(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("telegram", "a", CHAT, "9", "forum", None, json.dumps(origin), 2.0),
                ("discord", "b", "444", "444", "thread", "plans", None, 1.0),
                ("cli", None, None, None, None, None, None, 3.0),
            ],
        )
    link.close()


def listed(installation: Installation) -> list[tuple[str, str, str]]:
    found = installation.run("init", "--list", "--json").json["conversations"]
    return [(each["place"], each["name"], each["profile"]) for each in found]


def test_it_lists_what_hermes_has_seen(seen: Installation) -> None:
    assert listed(seen) == [
        ("discord:444", "plans", "-"),
        (f"telegram:{CHAT}:general", "Ours", "finance"),
        (NEW, "Ours / Ca\nreer", "finance"),
        ("telegram:700000001", "Ada", "-"),
    ]
    assert "Ca\\x0areer" in seen.run("init", "--list").out


def test_it_lists_what_only_a_routed_profile_has_seen(seen: Installation) -> None:
    known = KnownConversations(file_of(seen.home))
    places = {
        "Ours / music": Place("telegram", CHAT, "12", user_id="5550001"),
        "another name of topic 9": Place("telegram", CHAT, "9"),
        "to a bot of its own": Place("telegram", "700000002", bot="finance"),
    }
    for name, place in places.items():
        known.note("finance", KnownConversation(place=place, name=name, kind="forum"))
    assert listed(seen) == [
        ("discord:444", "plans", "-"),
        (f"telegram:{CHAT}:general", "Ours", "finance"),
        (NEW, "Ours / Ca\nreer", "finance"),
        (f"telegram:{CHAT}:12", "Ours / music", "finance"),
        ("telegram:700000001", "Ada", "-"),
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"platforms": {"telegram": [3, {}]}}'])
def test_files_of_another_shape_add_nothing(seen: Installation, content: bytes) -> None:
    file_of(seen.home).parent.mkdir(exist_ok=True)
    names = ("channel_directory.json", "sessions/sessions.json", "state.db")
    for name in (*names, file_of(seen.home)):
        (seen.home / name).write_bytes(content)
    assert listed(seen) == []
    assert "no conversation yet" in seen.run("init", "--list").out


def test_without_a_terminal_and_flags_nothing_is_changed(seen: Installation) -> None:
    before = seen.config.read_bytes()
    shown = seen.run("init")
    assert (shown.status, NEW in shown.out, "--map" in shown.err) == (1, True, True)
    assert seen.config.read_bytes() == before


def test_flags_map_switch_on_and_are_taken_back(seen: Installation) -> None:
    seen.config.write_text(seen.config.read_text().split("plugins:")[0])
    before = seen.config.read_text()
    shown = seen.run("init", "--map", f"{NEW}=career", "--map", "telegram:700000001=finance")
    assert f"{NEW} is routed to career" in shown.out
    assert "enabled hermes-router" in shown.out
    assert "a gateway loads plugins only when it starts: " in shown.out + shown.err
    assert shown.out.index("is routed to") < shown.out.index(f"gateway home {seen.home} (from")
    after = seen.config.read_text()
    assert '"9": career  # Ours / Ca\\x0areer' in after
    assert set(before.splitlines()) <= set(after.splitlines())
    assert (seen.profile("career") / "gateway.parked").exists()
    assert seen.run("test-route", NEW, "--json").json["route"]["profile"] == "career"
    again = seen.run("init", "--map", f"{NEW}=career")
    assert seen.config.read_text() == after, again
    assert seen.run("init", "--undo").status == 0
    assert seen.config.read_text() == before
    assert not (seen.profile("career") / "gateway.parked").exists()
    assert seen.run("init", "--undo").status == 1


def test_a_route_is_changed_and_taken_away(seen: Installation) -> None:
    assert "routed to finance" in seen.run("init", "--map", f"telegram:{CHAT}:6=finance").out
    assert "no longer routed" in seen.run("init", "--map", f"telegram:{CHAT}:6=-").out
    places = {place: profile for place, _, profile in listed(seen)}
    assert places[NEW] == "finance"  # the chat's own route
    assert "6: career" not in seen.config.read_text()


def test_an_edit_since_is_not_lost(seen: Installation) -> None:
    seen.config.write_text(seen.config.read_text().split("plugins:")[0])
    before = seen.config.read_text()
    seen.run("init", "--map", f"{NEW}=career")
    seen.config.write_text("mine: kept\n" + seen.config.read_text())
    assert seen.run("init", "--undo").status == 0
    after = seen.config.read_text()
    assert after.startswith("mine: kept\n" + before)
    assert "hermes-router" not in after


def test_an_edit_while_a_profile_is_made_is_not_undone(
    seen: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen.config.read_text()
    seen.config.write_text(before + "# written meanwhile\n")
    monkeypatch.setattr(enable, "switch_on", lambda _home: None)
    init._carry_out(gateway_home(str(seen.home)), before, before, {}, ["fresh"])
    assert seen.run("init", "--undo").status == 0
    assert seen.config.read_text() == before + "# written meanwhile\n"


def test_a_plugin_that_was_off_is_off_again_after_an_edit(seen: Installation) -> None:
    head = seen.config.read_text().split("plugins:")[0]
    seen.config.write_text(
        f"{head}plugins: {{enabled: [hermes-router], disabled: [hermes-router]}}\n"
    )
    seen.run("init", "--map", f"{NEW}=career")
    assert plugin_lists(seen.config) == (["hermes-router"], [])
    seen.config.write_text(seen.config.read_text() + "# mine\n")
    assert seen.run("init", "--undo").status == 0
    assert plugin_lists(seen.config)[0] == []
    assert seen.config.read_text().endswith("# mine\n")


def test_what_cannot_be_taken_back_is_said(seen: Installation) -> None:
    seen.run("init", "--map", f"{NEW}=career")
    edited = (
        f"gateway: {{profile_routes: {{telegram: {{'{CHAT}': {{'9': career, '8': career}}}}}}}}\n"
    )
    seen.config.write_text(edited)
    shown = seen.run("init", "--undo")
    assert (shown.status, "cannot be edited" in shown.err) == (1, True), shown
    assert seen.config.read_text() == edited


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--map", f"{NEW}=nobody"), 1, "no profile 'nobody'"),
        (("--map", f"{NEW}=carer"), 1, "did you mean 'career'? Or create it: hermes-router init"),
        (("--map", NEW), 2, "is not PLACE=PROFILE"),
        (("--map", "nonsense=career"), 2, "not a place"),
        (("--create", "Not A Name"), 2, "is not a valid profile name"),
        (("--list", "--undo"), 2, "not allowed with"),
        (("--list", "--map", f"{NEW}=career"), 2, "do not work together with --list"),
        (("--undo", "--create", "fresh"), 2, "do not work together with --undo"),
        (("--json", "--map", f"{NEW}=career"), 2, "--json works only for the list"),
        (("--json", "--undo"), 2, "--json works only for the list"),
    ],
)
def test_what_cannot_be_meant_is_said_and_changes_nothing(
    seen: Installation, arguments: tuple[str, ...], status: int, words: str
) -> None:
    before = seen.config.read_bytes()
    shown = seen.run("init", *arguments)
    assert (shown.status, words in shown.err) == (status, True), shown.err
    assert seen.config.read_bytes() == before


def test_a_profile_is_made_with_the_gateways_model(seen: Installation) -> None:
    with seen.config.open("a") as file:
        file.write("model: {default: the-model, provider: custom}\n")
    (seen.home / ".env").write_text("MODEL_KEY=the-key\nTELEGRAM_BOT_TOKEN=1:the-bots\n")
    shown = seen.run("init", "--create", "kid", "--map", f"{NEW}=kid")
    assert "created the profile kid" in shown.out, shown.err
    assert "the-model" in (seen.profile("kid") / "config.yaml").read_text()
    copied = (seen.profile("kid") / ".env").read_text()
    assert "MODEL_KEY=the-key" in copied
    assert "the-bots" not in copied
    undone = seen.run("init", "--undo", "--home", str(seen.home)).out
    assert f"(kid); to remove one: HERMES_HOME={seen.home} hermes profile delete NAME" in undone
    assert seen.profile("kid").is_dir()


def test_a_profile_that_is_made_has_no_router_of_its_own(seen: Installation) -> None:
    """Hermes clones plugins too; its package manager refuses a second one of the same project."""
    plugins = seen.home / "plugins"
    (plugins / "hermes-router").mkdir(parents=True)
    (plugins / "hermes-router" / "plugin.yaml").write_text("name: hermes-router\nversion: 1.0.0\n")
    (plugins / "another").mkdir()
    (plugins / "another" / "plugin.yaml").write_text("name: another\nversion: 1.0.0\n")
    installed = {"hermes-router": {"source": "file:///a"}, "another": {"source": "file:///b"}}
    (plugins / ".install-metadata.json").write_text(json.dumps(installed))
    config = yaml.safe_load(seen.config.read_text())
    config["plugins"] = {"enabled": ["another", "hermes-router"]}
    seen.config.write_text(yaml.safe_dump(config))
    shown = seen.run("init", "--create", "kid", "--map", f"{NEW}=kid")
    assert "created the profile kid" in shown.out, shown.err
    made = seen.profile("kid")
    assert not (made / "plugins" / "hermes-router").exists()
    record = made / "plugins" / ".install-metadata.json"
    if record.exists():  # this Hermes clones plugins
        assert list(json.loads(record.read_text())) == ["another"]
    assert yaml.safe_load((made / "config.yaml").read_text())["plugins"]["enabled"] == ["another"]
    assert (plugins / "hermes-router").is_dir()


def on_a_terminal(installation: Installation, keys: list[tuple[str, str]], *options: str) -> str:
    """Run `init` on a terminal of its own; press keys when words are shown. Return all output."""
    command = [sys.executable, "-m", "hermes_router.cli", "init", *options]
    return pressed(command, installation.environ(), installation.base, keys)


def test_a_person_chooses_with_arrows_and_enter(seen: Installation) -> None:
    shown = on_a_terminal(
        seen,
        [
            ("Which conversation?", DOWN * 2 + ENTER),
            ("Which profile answers there?", UP + ENTER),
            ("Done: 1 to change", DOWN * 4 + ENTER),
        ],
    )
    assert f"{NEW} is routed to career" in shown
    assert '"9": career' in seen.config.read_text()


def test_a_person_has_a_new_profile_made_with_arrows_and_enter(seen: Installation) -> None:
    """The new one is then offered beside the others, with the gateway's model and key."""
    with seen.config.open("a") as file:
        file.write("model: {default: the-model, provider: custom}\n")
    (seen.home / ".env").write_text("MODEL_KEY=the-key\nTELEGRAM_BOT_TOKEN=1:the-bots\n")
    before = seen.config.read_text()
    shown = on_a_terminal(
        seen,
        [
            ("Which conversation?", DOWN * 2 + ENTER),
            ("a new profile", DOWN + ENTER),  # below finance, which answers there now
            ("Its name", "My Kid" + ENTER),
            ("Its name", "kid" + ENTER),
            ("Done: 1 to change", DOWN * 3 + ENTER),
            ("kid", UP * 2 + ENTER),  # above a new profile and no route, which is so now
            ("Done: 2 to change", DOWN * 4 + ENTER),
        ],
    )
    assert shown.count("created the profile kid") == 1, shown
    assert f"{NEW} is routed to kid" in shown
    assert "telegram:700000001 is routed to kid" in shown
    made = seen.profile("kid")
    assert "the-model" in (made / "config.yaml").read_text()
    copied = (made / ".env").read_text()
    assert "MODEL_KEY=the-key" in copied
    assert "the-bots" not in copied
    after = seen.config.read_text()
    changed = difflib.ndiff(before.splitlines(), after.splitlines())
    assert [line for line in changed if line.startswith(("-", "?"))] == []  # it only added lines
    assert (seen.home / "config.yaml.before-hermes-router").read_text() == before
    assert '"9": kid  # Ours / Ca\\x0areer' in after
    for place in (NEW, "telegram:700000001"):
        answered = seen.run("test-route", place, "--json").json
        assert (answered["route"]["profile"], answered["exit_status"]) == ("kid", 0)
    assert seen.run("init", "--undo").status == 0
    assert seen.config.read_text() == before


def test_a_profile_that_create_names_is_offered_on_the_terminal(seen: Installation) -> None:
    shown = on_a_terminal(
        seen,
        [
            ("Which conversation?", DOWN * 2 + ENTER),
            ("kid", DOWN + ENTER),  # below finance, which answers there now
            ("Done: 1 to change", DOWN * 4 + ENTER),
        ],
        *("--create", "kid", "--create", "career"),
    )
    assert shown.count("created the profile") == 1, shown
    assert f"{NEW} is routed to kid" in shown


def test_a_person_who_leaves_changes_nothing(seen: Installation) -> None:
    before = seen.config.read_bytes()
    on_a_terminal(seen, [("Which conversation?", "\x03")])
    assert seen.config.read_bytes() == before


def test_a_python_that_cannot_ask_names_the_options_and_the_home(seen: Installation) -> None:
    seen.patch("import sys\nsys.modules['prompt_toolkit'] = None\n")
    before = seen.config.read_bytes()
    shown = on_a_terminal(seen, [], "--home", str(seen.home)).replace("\r\n", "\n")
    assert "ERROR: this Python has no prompt_toolkit, which the questions need\n" in shown
    command = f"hermes-router init --map PLACE=PROFILE --home {seen.home}"
    assert f"TIP: use options instead:\n     {command}\n" in shown
    assert seen.config.read_bytes() == before


def test_no_profile_is_made_for_routes_that_cannot_be_written(installation: Installation) -> None:
    installation.config.write_text("gateway: {profile_routes: {telegram: {'5': career}}}\n")
    done = installation.run("init", "--create", "fresh", "--map", "telegram:6=fresh")
    assert done.status == 1
    assert "cannot be edited safely" in done.err
    assert not installation.profile("fresh").exists()


def test_the_command_for_profiles_that_are_missing_is_whole(installation: Installation) -> None:
    words = ["--map", f"{NEW}=fresh", "--map", "irc:#a b=other", "--map", "telegram:5=Career"]
    done = installation.run("init", *words, "--create", "third")
    assert done.status == 1
    told = shlex.split(done.err.partition("TIP: ")[2])
    assert told == [
        *("hermes-router", "init", "--create", "third", "--create", "fresh", "--create", "other"),
        *("--map", f"{NEW}=fresh", "--map", "irc:#a b=other", "--map", "telegram:5=career"),
    ]


def test_a_name_that_no_profile_can_have_is_not_to_be_created(installation: Installation) -> None:
    for words in (["--map", f"{NEW}=../career"], ["--create", "My Kid"]):
        done = installation.run("init", *words)
        assert done.status in {1, 2}
        assert "a name has lower-case letters, digits" in done.err
        assert "create it" not in done.err


def test_the_list_is_json_also_where_the_configuration_is_broken(seen: Installation) -> None:
    seen.config.write_text("gateway: [\n")
    shown = seen.run("init", "--list", "--json")
    assert (shown.status, shown.json["exit_status"], shown.err) == (2, 2, "")
    assert {each["profile"] for each in shown.json["conversations"]} == {None}
    (problem,) = shown.json["problems"]
    assert problem["file"] == str(seen.config)
