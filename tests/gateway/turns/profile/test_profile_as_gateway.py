"""A worker is its profile's gateway in what a turn can see, and in nothing else."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, ONE_GATEWAY, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.waiting import wait_until

OWN_TOKEN = "7654321:the-profiles-own-bot_BBBBBBBBBBBBBBBB"


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.extra_environ["TELEGRAM_REACTIONS"] = "true"
    career = stage.root.profiles["career"]
    # All of this is meant for a gateway of the profile's own, and must be inert in a worker.
    career.configure(
        {
            "plugins": {"enabled": ["hermes-router"]},
            "gateway": {
                "multiplex_profiles": True,
                "profile_routes": [
                    {"platform": "telegram", "chat_id": str(FORUM), "profile": "systems"}
                ],
            },
            "platforms": {
                "telegram": {
                    "enabled": True,
                    "token": OWN_TOKEN,
                    "extra": {
                        "base_url": telegram.base_url,
                        "base_file_url": telegram.file_url,
                        "fallback_ips": ["149.154.167.220"],
                    },
                }
            },
        }
    )
    deny_hook = career.path / "deny.sh"
    deny_hook.write_text(
        '#!/bin/sh\necho \'{"decision": "block", "reason": "the profile forbids it"}\'\n'
    )
    deny_hook.chmod(deny_hook.stat().st_mode | stat.S_IXUSR)
    career.configure(
        {
            "hooks_auto_accept": True,
            "hooks": {"pre_tool_call": [{"matcher": "terminal", "command": str(deny_hook)}]},
        }
    )
    event_hook = career.path / "hooks" / "witness"
    event_hook.mkdir(parents=True)
    (event_hook / "HOOK.yaml").write_text(
        "name: witness\ndescription: counts\nevents: ['agent:start', 'gateway:startup']\n"
    )
    (event_hook / "handler.py").write_text(
        "from pathlib import Path\n"
        "async def handle(event_type, context):\n"
        "    with (Path(__file__).parent / 'seen').open('a') as seen:\n"
        "        seen.write(event_type + '\\n')\n"
    )
    return stage


def test_a_profiles_own_bot_and_routes_are_inert_in_its_worker(stage: Stage) -> None:
    in_service = by_the_gateway(stage)
    seq = stage.telegram.seq
    assert "Profile: career" in stage.ask("/profile", CAREER).text
    stage.wait_settled("career")
    calls = stage.telegram.calls(after=seq, polls=True)
    assert {call.token for call in calls} <= {stage.telegram.token, *in_service}
    by_own_bot = {call.method for call in calls if call.token == OWN_TOKEN}
    assert not by_own_bot - {"getUpdates", "setMyCommands"}, "a second process connects"
    home = stage.root.profiles["career"].path
    assert not (home / "gateway.pid").exists()
    assert not (home / "gateway_state.json").exists()
    assert not (home / ".clean_shutdown").exists()


def by_the_gateway(stage: Stage) -> set[str]:
    """Return the profile's own bot once the gateway itself serves it, as Hermes 0.22 does.

    Who connects says getMe first, and then only asks for updates.
    """
    if not ONE_GATEWAY:
        return set()
    telegram = stage.telegram
    wait_until(lambda: bool(telegram.calls("getUpdates", token=OWN_TOKEN)), 120, "it is not served")
    assert telegram.calls("getMe", token=OWN_TOKEN)
    return {OWN_TOKEN}


def test_a_profiles_shell_hook_denies_in_its_worker_only(stage: Stage) -> None:
    call = '[[tool terminal {"command": "echo it-ran"}]]'
    assert "the profile forbids it" in stage.ask(call, CAREER).text
    assert "it-ran" in stage.ask(call, SYSTEMS).text


def test_a_profiles_event_hooks_see_its_turns_and_no_gateway_start(stage: Stage) -> None:
    seen = stage.root.profiles["career"].path / "hooks" / "witness" / "seen"
    before = seen.read_text().splitlines() if seen.exists() else []
    stage.ask("one turn", CAREER, contains="one turn")
    after = seen.read_text().splitlines()
    assert after[len(before) :] == ["agent:start"]
    assert "gateway:startup" not in after


def test_each_duty_is_done_once(stage: Stage) -> None:
    seq = stage.telegram.seq
    message = stage.telegram.say("react to this", chat_id=FORUM, thread_id=SYSTEMS)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="react to this", after=seq, timeout=150)
    stage.wait_settled("systems")
    reactions = [
        call.params["reaction"]
        for call in stage.telegram.calls("setMessageReaction", after=seq)
        if call.params["message_id"] == message
    ]
    assert len(reactions) == 2, reactions
    typing = stage.telegram.calls("sendChatAction", after=seq)
    assert typing
    assert all(call.place == (FORUM, SYSTEMS) for call in typing)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(typing)]
    assert not gaps or min(gaps) > 0.2, "two typing loops run beside each other"
    replies = stage.telegram.calls("sendMessage", after=seq)
    assert len(replies) == 1


def test_no_file_of_the_profile_belongs_to_others(stage: Stage) -> None:
    stage.ask("write something down", SYSTEMS, contains="write something")
    stage.wait_settled("systems")
    home = stage.root.profiles["systems"].path
    open_to_others = [
        path
        for path in written_by_workers(home)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert open_to_others == []


def written_by_workers(home: Path) -> list[Path]:
    names = ("state.db", "hermes-router", "logs/hermes-router-worker.log", "logs/agent.log")
    return [home / name for name in names if (home / name).exists()]
