"""Slash commands of routed conversations: who may use them, and which hooks see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, USER, Call, FakeModel, FakeTelegram

COLLEAGUE = 7700002
"""May use the bot, but is no admin of the gateway."""
ADMIN_OF_CAREER = 7700003
"""No admin of the gateway, but one of the profile."""

QUIET = {"quiet": -1001, "cold": -1002}
"""Profiles that nobody writes to, and their chats. The second is not kept warm."""

WITNESS = """
from pathlib import Path

SEEN = Path({seen!r})


def witness(event=None, **_more):
    with SEEN.open("a") as seen:
        seen.write(event.text + "\\n")
    if "to be skipped" in event.text:
        return {{"action": "skip", "reason": "test"}}
    if "please restart" in event.text:
        return {{"action": "rewrite", "text": "/restart"}}
    if "to be rewritten" in event.text:
        return {{"action": "rewrite", "text": "{name} rewrote it"}}
    return None


def register(ctx):
    ctx.register_hook("pre_gateway_dispatch", witness)
"""


def add_witness(home: Path, name: str) -> Path:
    folder = home / "plugins" / "witness"
    folder.mkdir(parents=True)
    seen = folder / "seen"
    (folder / "plugin.yaml").write_text("name: witness\nversion: 1.0.0\ndescription: counts\n")
    (folder / "__init__.py").write_text(WITNESS.format(seen=str(seen), name=name))
    return seen


def add_skill(home: Path, name: str) -> None:
    folder = home / "skills" / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: A skill of one home.\n---\n\nSay {name}-loaded.\n"
    )


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    users = (USER, COLLEAGUE, ADMIN_OF_CAREER)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": ",".join(map(str, users))})
    stage.root.configure(
        {
            "plugins": {"enabled": ["hermes-router", "witness"]},
            "platforms": {
                "telegram": {
                    "extra": {
                        "group_allow_admin_from": [str(USER)],
                        "group_user_allowed_commands": ["usage", "profile"],
                        # Hermes 0.22 has more commands of its own than its menu has places.
                        "command_menu": {"max_commands": 100},
                    }
                }
            },
        }
    )
    career = stage.root.profiles["career"]
    career.configure(
        {
            "plugins": {"enabled": ["witness"]},
            "platforms": {
                "telegram": {
                    "extra": {
                        "group_allow_admin_from": [str(USER), str(ADMIN_OF_CAREER)],
                        "group_user_allowed_commands": ["profile", "title"],
                    }
                }
            },
        }
    )
    own = {
        "own": {"type": "exec", "command": "echo own-command-ran"},
        "careless": {"type": "alias", "target": "/yolo"},
        "again": {"type": "alias", "target": "/restart"},
    }
    stage.root.profiles["systems"].configure({"quick_commands": own})
    add_witness(stage.root.path, "the gateway")
    add_witness(career.path, "the profile")
    systems = stage.root.profiles["systems"].path
    homes = [stage.root.path, career.path, systems]
    homes += [stage.root.add_profile(name).path for name in QUIET]
    for home in homes:
        add_skill(home, f"sk-{home.name.replace('hermes', 'default')}")
    routes = {str(chat): {"*": name} for name, chat in QUIET.items()}
    asked = {"jobs": {"upkeep": True}}
    profiles = {"quiet": asked, "cold": asked | {"warm": {"enabled": False}}}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": routes}},
            "hermes_router": {"profiles": profiles, "warm_budget": {"profiles": 3}},
        }
    )
    return stage


def menu(stage: Stage, *names: str, after: int, chat: int = FORUM) -> set[str]:
    """Return a chat's menu as soon as it has these commands."""
    call = stage.telegram.wait_for(
        lambda call: is_menu(call, chat) and set(names) <= offered(call), ANSWER_SECONDS, after
    )
    return offered(call)


def is_menu(call: Call, chat: int = FORUM) -> bool:
    return call.method.casefold() == "setmycommands" and str(chat) in str(call.params.get("scope"))


def offered(call: Call) -> set[str]:
    commands = call.params["commands"]
    listed = json.loads(commands) if isinstance(commands, str) else commands
    return {command["command"] for command in listed}


def seen_in(home: Path, marker: str) -> int:
    path = home / "plugins" / "witness" / "seen"
    text = path.read_text() if path.exists() else ""
    return sum(marker in line for line in text.splitlines())


@pytest.mark.parametrize("user", [COLLEAGUE, ADMIN_OF_CAREER])
@pytest.mark.parametrize("topic", [CAREER, SYSTEMS])
def test_the_gateways_rules_hold_whatever_the_profile_allows(
    stage: Stage, topic: int, user: int
) -> None:
    for command in ("/title mine", "/yolo", "/new"):
        answer = stage.ask(command, topic, user_id=user, contains="admin-only")
        assert answer.text.startswith(f"⛔ {command.split()[0]} is admin-only here.")
        assert "/profile" in answer.text


def test_a_refused_command_starts_no_worker(stage: Stage) -> None:
    stage.wait_settled("systems")
    before = stage.worker_log("systems")
    stage.ask("/yolo", SYSTEMS, user_id=COLLEAGUE, contains="admin-only")
    assert stage.worker_log("systems") == before


def test_the_profiles_rules_hold_whatever_the_gateway_allows(stage: Stage) -> None:
    assert "Profile: career" in stage.ask("/profile", CAREER, user_id=COLLEAGUE).text
    answer = stage.ask("/usage", CAREER, user_id=COLLEAGUE)
    assert answer.text.startswith("⛔ /usage is admin-only here.")
    assert not stage.ask("/usage", SYSTEMS, user_id=COLLEAGUE).text.startswith("⛔")


def test_the_gateways_rules_hold_for_a_profiles_own_commands(stage: Stage) -> None:
    assert stage.ask("/own", SYSTEMS, user_id=COLLEAGUE).text.startswith("⛔ /own is admin-only")
    assert "own-command-ran" in stage.ask("/own", SYSTEMS).text


def test_whoami_tells_the_gateways_rules(stage: Stage) -> None:
    answer = stage.ask("/whoami", SYSTEMS, user_id=COLLEAGUE)
    assert "Tier: user" in answer.text
    assert "/usage" in answer.text
    assert "admin" in stage.ask("/whoami", SYSTEMS).text


def test_help_and_skills_are_the_profiles(stage: Stage) -> None:
    for page in ("/help", "/commands"):
        text = stage.ask(page, CAREER).text
        assert "sk-default" not in text
    stage.wait_settled("career")
    seen = stage.model.seq
    stage.telegram.say("/sk-career now", thread_id=CAREER)
    request = stage.model.wait_chat("sk-career-loaded", timeout=ANSWER_SECONDS, after=seen)
    assert request.model == "career-model"
    stage.wait_settled("career")
    assert "nknown command" in stage.ask("/sk-default now", CAREER).text


def test_each_hook_sees_a_routed_message_once(stage: Stage) -> None:
    homes = (stage.root.path, stage.root.profiles["career"].path)
    stage.ask("seen by both", CAREER, contains="seen by both")
    assert [seen_in(home, "seen by both") for home in homes] == [1, 1]
    stage.ask("seen by one", UNROUTED, contains="seen by one")
    assert [seen_in(home, "seen by one") for home in homes] == [1, 0]
    stage.ask("of a profile without hooks", SYSTEMS, contains="of a profile")
    assert [seen_in(home, "of a profile without hooks") for home in homes] == [1, 0]


def test_a_hook_sees_a_message_for_a_busy_session_once(stage: Stage) -> None:
    seen, seq = stage.model.seq, stage.telegram.seq
    stage.telegram.say("[[sleep 5]] slow", thread_id=SYSTEMS)
    stage.model.wait_chat("slow", timeout=ANSWER_SECONDS, after=seen)
    stage.telegram.say("while it is busy", thread_id=SYSTEMS)
    stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="while it is busy", after=seq, timeout=ANSWER_SECONDS
    )
    assert seen_in(stage.root.path, "while it is busy") == 1


def test_a_gateway_hook_rewrites_and_skips_routed_messages(stage: Stage) -> None:
    seen = stage.model.seq
    stage.ask("to be rewritten", SYSTEMS, contains="the gateway rewrote it")
    stage.telegram.say("to be skipped", thread_id=SYSTEMS)
    stage.gateway.wait_log("pre_gateway_dispatch skip", log="agent.log")
    stage.ask("after that", SYSTEMS, contains="after that")
    asked = stage.model.requests("chat", after=seen)
    assert not [r for r in asked if b"to be skipped" in r.body]


def test_a_name_of_the_profiles_own_gets_nobody_past_the_gateways_rules(stage: Stage) -> None:
    stage.ask("/careless", SYSTEMS, user_id=COLLEAGUE, contains="/yolo is admin-only")
    stage.ask("/again", SYSTEMS, user_id=COLLEAGUE, contains="/restart is admin-only")
    stage.ask("/again", SYSTEMS, contains="/restart acts on the gateway of all profiles")
    stage.ask("still there", SYSTEMS, contains="still there")


def test_what_a_hook_makes_of_a_message_to_a_busy_session_is_checked_too(stage: Stage) -> None:
    seen = stage.telegram.seq
    stage.telegram.say("[[sleep 4]][[say slept]]", chat_id=FORUM, thread_id=SYSTEMS)
    stage.model.wait_for(lambda request: "[[sleep 4]]" in request.last_user, ANSWER_SECONDS)
    stage.telegram.say("please restart", chat_id=FORUM, thread_id=SYSTEMS, user_id=COLLEAGUE)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="⛔ /restart", after=seen)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="slept", after=seen)
    assert stage.gateway.running


def test_the_menu_of_a_chat_is_there_before_anybody_has_written_in_it(stage: Stage) -> None:
    found = menu(stage, "sk_quiet", "help", after=0, chat=QUIET["quiet"])
    assert not {"sk_default", "sk_career", "sk_cold"} & found
    stage.wait_settled("quiet")
    assert "session=agent:" not in stage.worker_log("quiet")
    assert stage.worker_log("cold") == ""  # a profile that is not kept warm costs no process


def test_the_chats_menu_offers_the_skills_of_the_profiles_that_answer_in_it(stage: Stage) -> None:
    stage.ask("hello", SYSTEMS, contains="hello")
    stage.ask("hello", CAREER, contains="hello")
    found = menu(stage, "sk_career", "sk_systems", after=0)
    assert {"help", "new", "sk_default"} <= found  # other topics are the default profile's
    add_skill(stage.root.profiles["career"].path, "sk-newer")
    seq = stage.telegram.seq
    stage.ask("hello again", CAREER, contains="hello again")
    assert {"sk_career", "sk_systems"} <= menu(stage, "sk_newer", after=seq)


def test_a_restarted_gateway_keeps_the_menu_until_the_routes_change(stage: Stage) -> None:
    seq = stage.telegram.seq
    stage.gateway.restart()
    stage.ask("after the restart", CAREER, contains="after the restart")
    stage.wait_settled("career")
    assert not [call for call in stage.telegram.calls("setMyCommands", after=seq) if is_menu(call)]
    stage.root.configure({"gateway": {"profile_routes": None}})
    stage.ask("unrouted now", CAREER, contains="unrouted now")
    stage.telegram.wait_for(
        lambda call: (
            call.method.casefold() == "deletemycommands" and str(FORUM) in str(call.params["scope"])
        ),
        ANSWER_SECONDS,
        seq,
    )
