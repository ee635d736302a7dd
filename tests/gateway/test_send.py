"""Sending from a routed profile that holds no token: by the gateway, where the policy lets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.gateway.test_media import PICTURE
from tests.kit import FORUM, USER, FakeModel, FakeTelegram

SECOND = 7
"""Another topic that is routed to `career`."""
LENT = 21
"""A topic that is nobody's, and allowed to `career` by its settings."""
GONE = 8
"""A topic of `career` that will be deleted."""

PLUGIN = """
import asyncio, json


def register(ctx):
    async def send(raw):
        from tools.send_message_tool import send_message_tool
        return await asyncio.to_thread(send_message_tool, json.loads(raw))

    ctx.register_command("engine", send, "calls the send engine")
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(thread): "career" for thread in (SECOND, GONE)}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"profiles": {"career": {"deliver": [f"telegram:{FORUM}:{LENT}"]}}},
        }
    )
    for thread in (SECOND, GONE, LENT):
        telegram.add_topic(thread, f"topic {thread}")
    home = stage.root.profiles["career"]
    home.configure({"plugins": {"enabled": ["engine"]}})
    folder = home.path / "plugins" / "engine"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("name: engine\nversion: 1.0.0\ndescription: sends\n")
    (folder / "__init__.py").write_text(PLUGIN)
    return stage


def engine(stage: Stage, thread: int = CAREER, **arguments: Any) -> dict[str, Any]:
    """Have a worker of `career` call Hermes's send engine; return what that returned."""
    reply = stage.ask(f"/engine {json.dumps(arguments)}", thread, contains="{")
    answer: dict[str, Any] = json.loads(reply.text)
    return answer


def plain(text: str) -> str:
    """Return a text without what a platform's markup escapes."""
    return "".join(letter for letter in text if letter.isalnum())


def arrived(stage: Stage, text: str) -> list[tuple[int | None, int | None]]:
    """Return the places where a text was sent to."""
    calls = stage.telegram.calls("sendMessage", "sendPhoto", "sendDocument", "sendAudio")
    return [call.place for call in calls if text in (call.text or "")]


@pytest.mark.parametrize("target", ["", "telegram", "origin", f"telegram:{FORUM}:{SECOND}"])
def test_the_engine_sends_to_the_conversation_that_it_is_called_in(
    stage: Stage, target: str
) -> None:
    mark = plain(f"itself by {target}")
    answer = engine(stage, SECOND, target=target, message=mark)
    assert answer.get("success"), answer
    assert arrived(stage, mark) == [(FORUM, SECOND)]


def test_a_chat_without_its_thread_is_the_conversation_itself(stage: Stage) -> None:
    assert engine(stage, target=f"telegram:{FORUM}", message="threadless").get("success")
    assert arrived(stage, "threadless") == [(FORUM, CAREER)]


def test_the_engine_sends_to_another_conversation_of_its_profile(stage: Stage) -> None:
    target = f"telegram:{FORUM}:{SECOND}"
    assert engine(stage, target=target, message="to my other topic").get("success")
    assert arrived(stage, "to my other topic") == [(FORUM, SECOND)]


def test_the_engine_sends_where_the_settings_let_it(stage: Stage) -> None:
    assert engine(stage, target=f"telegram:{FORUM}:{LENT}", message="to the lent one").get(
        "success"
    )
    assert arrived(stage, "to the lent one") == [(FORUM, LENT)]


@pytest.mark.parametrize("target", [f"{FORUM}:{SYSTEMS}", f"{FORUM}:{UNROUTED}", str(USER), "77"])
def test_the_engine_sends_nowhere_else_and_says_so(stage: Stage, target: str) -> None:
    mark = plain(f"not mine {target}")
    answer = engine(stage, target=f"telegram:{target}", message=mark)
    assert "not routed to it" in answer["error"]
    assert "hermes_router.profiles.career.deliver" in answer["error"]
    assert arrived(stage, mark) == []
    stage.gateway.wait_log(f"may not send to telegram:{target}", log="agent.log")


def test_a_long_text_arrives_whole(stage: Stage) -> None:
    words = " ".join(f"word{number}" for number in range(1500))
    assert engine(stage, target=f"telegram:{FORUM}:{LENT}", message=words).get("success")
    texts = [
        call.text or ""
        for call in stage.telegram.calls("sendMessage")
        if call.place == (FORUM, LENT) and "word" in (call.text or "")
    ]
    assert len(texts) > 2
    assert all(f"word{number}" in " ".join(texts).split() for number in range(1500))


def test_a_file_arrives_with_its_bytes(stage: Stage) -> None:
    path = stage.root.profiles["career"].path / "workspace" / "chart.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PICTURE)
    seq = stage.telegram.seq
    answer = engine(stage, target=f"telegram:{FORUM}:{LENT}", message=f"The chart\nMEDIA:{path}")
    assert answer.get("success"), answer
    call = next(call for call in stage.telegram.calls(after=seq) if call.files)
    assert (call.method, call.place) == ("sendPhoto", (FORUM, LENT))
    assert call.files[0].content == PICTURE
    assert "The chart" in (call.text or "")


def test_another_profiles_file_is_not_sent(stage: Stage) -> None:
    secret = Path(stage.root.profiles["systems"].path) / "notes.txt"
    secret.write_text("SECRET=of-systems\n")
    seq = stage.telegram.seq
    engine(stage, target="telegram", message=f"See MEDIA:{secret}")
    assert not any(call.files for call in stage.telegram.calls(after=seq))


def test_a_topic_that_is_gone_is_reported_and_its_chat_gets_nothing(stage: Stage) -> None:
    stage.telegram.delete_topic(GONE)
    answer = engine(stage, target=f"telegram:{FORUM}:{GONE}", message="to the lost one")
    assert "thread not found" in answer["error"].lower()
    assert all(place == (FORUM, GONE) for place in arrived(stage, "to the lost one"))


def test_the_profile_holds_no_token(stage: Stage) -> None:
    token = stage.root.token.encode()
    home = stage.root.profiles["career"].path
    holding = [path for path in home.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert holding == []
