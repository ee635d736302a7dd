"""What the model is sent in a later turn: the same as a long-lived gateway of the profile sends."""

from __future__ import annotations

import difflib
import json
import re
import sys

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway

SCRIPT = (
    "first",
    '[[tool terminal {"command": "echo from-a-tool"}]] second',
    "third",
    "/reasoning low",
    "fourth",
    "/new",
    "fifth",
    "sixth",
)

OWN_HOME, USERS_HOME = "<base>/hermes/profiles/career/home", "<base>/home"
"""HOME as the model is told it: a worker's is the profile's own, which is why there are workers."""

_VARYING = (
    (re.compile(r"\d{8}_\d{6}_[0-9a-f]+"), "<session>"),
    (re.compile(r"call_[0-9A-Za-z_]+"), "<call>"),
    # Whether Hermes's look at the machine is in time for a prompt depends on how busy that is.
    (re.compile(r"(?:\\n)*Python toolchain: [^\"\\]*"), ""),
)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    return with_settings(build_stage(tmp_path_factory.mktemp("stage"), telegram, model))


def with_settings(stage: Stage) -> Stage:
    """Give the profile what both sides have to have alike."""
    start_cold(stage, "systems")
    home = stage.root.profiles["career"]
    telegram = stage.root.config["platforms"]["telegram"]
    channel = {"chat_id": str(FORUM), "name": "Home", "platform": "telegram"}
    channel["thread_id"] = str(CAREER)  # a home where the routed profile may send
    home.env({"TELEGRAM_ALLOWED_USERS": stage.root.path.joinpath(".env").read_text().split("=")[1]})
    home.configure(
        {
            "terminal": {"cwd": str(home.path / "workspace")},
            "approvals": {"destructive_slash_confirm": False},
            "platforms": {"telegram": telegram | {"home_channel": channel}},
        }
    )
    return stage


def conversation(stage: Stage) -> list[bytes]:
    """Hold the conversation in the career topic and return the requests' bodies."""
    seen = stage.model.seq
    for text in SCRIPT:
        stage.wait_answered(ANSWER_SECONDS)  # a message that comes before that interrupts the turn
        seq = stage.telegram.seq
        stage.telegram.say(text, thread_id=CAREER)
        contains = "" if text.startswith("/") else "tool said" if "tool" in text else text
        stage.telegram.wait_reply(
            FORUM, CAREER, contains=contains, after=seq, timeout=ANSWER_SECONDS
        )
    return [request.body for request in stage.model.requests("chat", after=seen)]


def steady(body: bytes, base: str) -> str:
    """Return a request with what differs between any two conversations made equal."""
    text = body.decode().replace(base, "<base>")
    text = text.replace(OWN_HOME, USERS_HOME)
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def differences(sent: str, due: str) -> list[str]:
    """Return the lines in which two requests differ, texts broken up into theirs."""
    ours, theirs = (
        json.dumps(json.loads(text), indent=1).replace("\\n", "\n").splitlines()
        for text in (sent, due)
    )
    return list(difflib.unified_diff(ours, theirs, "routed", "plain", lineterm="", n=0))


@pytest.fixture(scope="module")
def routed(stage: Stage) -> list[bytes]:
    """The conversation's requests through the router, in a home that has seen no other."""
    return conversation(stage)


def test_a_turns_request_begins_with_the_request_before(routed: list[bytes]) -> None:
    requests = [json.loads(body) for body in routed]
    assert len(requests) == 7
    for before, after in ((0, 1), (1, 2), (3, 4), (5, 6)):
        sent = requests[before]["messages"]
        assert requests[after]["messages"][: len(sent)] == sent, (before, after)
        assert requests[after]["tools"] == requests[before]["tools"]


def test_a_turns_request_is_what_a_plain_gateway_sends(
    stage: Stage,
    routed: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
    model: FakeModel,
) -> None:
    with FakeTelegram() as telegram:
        plain = with_settings(build_stage(tmp_path_factory.mktemp("stage"), telegram, model))
        # Hermes 0.22 starts a gateway of one profile only where this is set.
        plain.root.profiles["career"].configure({"gateway": {"standalone": True}})
        gateway = Gateway(plain.root)
        command = "-m hermes_cli.main -p career gateway run"
        gateway.command = [sys.executable, *command.split()]
        with gateway:
            expected = [steady(body, str(plain.root.base)) for body in conversation(plain)]
    ours = [steady(body, str(stage.root.base)) for body in routed]
    assert len(ours) == len(expected)
    for number, (sent, due) in enumerate(zip(ours, expected, strict=True)):
        assert differences(sent, due) == [], number
        assert sent == due, number
