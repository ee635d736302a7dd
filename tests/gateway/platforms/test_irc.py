"""Nothing is Telegram-only: the real IRC adapter of Hermes against a real IRC server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.kit import FakeModel, FakeTelegram, Reply
from tests.kit.outside import irc
from tests.kit.outside.irc import IrcServer, IrcUser

OBSTACLE = irc.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")

CHANNEL, BOT = "#career", "hermes-bot"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IrcServer]:
    with IrcServer(tmp_path_factory.mktemp("irc")) as running:
        yield running


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    server: IrcServer,
) -> Stage:
    """A channel is routed to one profile, somebody's direct messages to another."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {
            "plugins": {"enabled": ["hermes-router", "platforms/irc"]},
            "platforms": {"irc": {"enabled": True}},
            "gateway": {"profile_routes": {"irc": {CHANNEL: "career", "bob": "systems"}}},
        }
    )
    stage.root.env(
        {
            "IRC_SERVER": "127.0.0.1",
            "IRC_PORT": str(server.port),
            "IRC_USE_TLS": "false",
            "IRC_NICKNAME": BOT,
            "IRC_CHANNEL": CHANNEL,
            "IRC_ALLOWED_USERS": "alice,bob,carol",
            "IRC_HOME_CHANNEL": "carol",
        }
    )
    return stage


@pytest.fixture(scope="module")
def alice(stage: Stage, server: IrcServer) -> Iterator[IrcUser]:
    with IrcUser(server, "alice", CHANNEL) as person:
        person.wait_present(CHANNEL, BOT)
        yield person


def test_a_routed_channel_is_answered_by_its_profile(stage: Stage, alice: IrcUser) -> None:
    alice.say(CHANNEL, f"{BOT}: /profile")
    assert alice.wait_for(CHANNEL, "career")
    alice.say(CHANNEL, f"{BOT}: hello on irc")
    alice.wait_for(CHANNEL, "echo: ")
    asked = stage.model.wait_chat("hello on irc")
    assert (asked.model, asked.api_key) == ("career-model", "career-key")


def test_direct_messages_go_to_the_profile_of_who_sends_them(
    stage: Stage, server: IrcServer, alice: IrcUser
) -> None:
    for nick, model in (("bob", "systems-model"), ("carol", "kit-model")):
        with IrcUser(server, nick) as person:
            person.say(BOT, f"I am {nick}")
            assert person.wait_for(nick, "echo: ")
        assert stage.model.wait_chat(f"I am {nick}").model == model
    assert not [line for _who, where, line in alice.heard if "I am" in line and where != CHANNEL]


def test_a_long_answer_is_split_as_this_platform_needs(stage: Stage, alice: IrcUser) -> None:
    words = " ".join(f"word{number:03}" for number in range(300))
    stage.model.script(Reply(words), contains="something long", times=1)
    before = len(alice.heard)
    alice.say(CHANNEL, f"{BOT}: something long")
    alice.wait_for(CHANNEL, "word299", after=before)
    lines = [line for _who, where, line in alice.heard[before:] if where == CHANNEL]
    assert max(map(len, lines)) <= 450
    assert " ".join(lines).split() == words.split()


def test_a_tool_runs_as_the_profile(stage: Stage, alice: IrcUser) -> None:
    alice.say(CHANNEL, f'{BOT}: [[tool terminal {{"command": "echo in $HERMES_HOME"}}]]')
    home = Path("profiles") / "career"
    asked = stage.model.wait_for(lambda request: str(home) in str(request.body), timeout=150)
    assert asked.model == "career-model"
