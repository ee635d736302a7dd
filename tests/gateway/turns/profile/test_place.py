"""What belongs to a routed place is its profile's: overheard chatter, channel prompts, skills."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, ModelRequest
from tests.kit.state.files import PICTURE, in_the_gateways_home

BOT = "@kit_1234567_bot"
LARGEST_RECEIVED = 2048
"""Bytes of a file that people may send to ``systems``."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    places = (CAREER, SYSTEMS, UNROUTED)
    stage.root.configure(
        {
            "platforms": {
                "telegram": {
                    "extra": {
                        "require_mention": True,
                        "observe_unmentioned_group_messages": True,
                        "group_allowed_chats": [str(FORUM)],
                        "channel_prompts": {str(place): "prompt-of-default" for place in places},
                        "group_topics": [
                            {
                                "chat_id": str(FORUM),
                                "topics": [
                                    {"thread_id": place, "name": "x", "skill": "sk-default"}
                                    for place in places
                                ],
                            }
                        ],
                    }
                }
            }
        }
    )
    stage.root.env({"TELEGRAM_GROUP_ALLOWED_CHATS": str(FORUM)})
    limits = {"received_bytes": LARGEST_RECEIVED}
    stage.root.configure({"hermes_router": {"profiles": {"systems": {"limits": limits}}}})
    topics = [{"thread_id": CAREER, "name": "x", "skill": "sk-career"}]
    stage.root.profiles["career"].configure(
        {
            "platforms": {
                "telegram": {
                    "extra": {
                        "channel_prompts": {str(CAREER): "prompt-of-career"},
                        "group_topics": [{"chat_id": str(FORUM), "topics": topics}],
                    }
                }
            }
        }
    )
    for home, name in (
        (stage.root.path, "sk-default"),
        (stage.root.profiles["career"].path, "sk-career"),
        (stage.root.profiles["systems"].path, "sk-default"),
    ):
        folder = home / "skills" / name
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(
            f"---\nname: {name}\ndescription: A skill.\n---\n\nSay {name}-of-{home.name}.\n"
        )
    return stage


def addressed(stage: Stage, text: str, topic: int) -> ModelRequest:
    """Say something to the bot and return what the model was sent."""
    seen, seq = stage.model.seq, stage.telegram.seq
    stage.telegram.say(f"{BOT} {text}", thread_id=topic)
    request = stage.model.wait_chat(text, timeout=ANSWER_SECONDS, after=seen)
    stage.telegram.wait_reply(FORUM, topic, contains=text, after=seq, timeout=ANSWER_SECONDS)
    return request


def stored(home: Path, marker: str) -> int:
    """Count the overheard messages in a home's transcripts that hold a marker."""
    with sqlite3.connect(home / "state.db") as database:
        [count] = database.execute(
            "SELECT count(*) FROM messages WHERE observed AND content LIKE ?", (f"%{marker}%",)
        ).fetchone()
    return int(count)


def test_what_is_overheard_in_a_routed_topic_is_its_profiles(stage: Stage) -> None:
    addressed(stage, "begin", CAREER)
    stage.wait_settled("career")
    seen = stage.model.seq
    for number in (1, 2):
        stage.telegram.say(f"overheard-career-{number}", thread_id=CAREER)
    stage.telegram.say("overheard-default", thread_id=UNROUTED)
    request = addressed(stage, "what did they say?", CAREER)
    stage.wait_settled("career")
    body = request.body.decode()
    assert body.index("overheard-career-1") < body.index("overheard-career-2")
    assert body.count("overheard-career-1") == 1
    assert "overheard-default" not in body
    assert len(stage.model.requests("chat", after=seen)) == 1
    home = stage.root.profiles["career"].path
    assert stored(home, "overheard-career") == 2
    assert not list((home / "hermes-router" / "observed").iterdir())
    assert stored(stage.root.path, "overheard-career") == 0
    other = addressed(stage, "and here?", UNROUTED).body.decode()
    assert "overheard-default" in other
    assert "overheard-career" not in other
    addressed(stage, "once more", CAREER)
    stage.wait_settled("career")
    assert stored(home, "overheard-career") == 2


def test_what_is_overheard_during_a_turn_is_not_lost(stage: Stage) -> None:
    seen, seq = stage.model.seq, stage.telegram.seq
    stage.telegram.say(f"{BOT} [[sleep 4]] slow", thread_id=SYSTEMS)
    stage.model.wait_chat("slow", timeout=ANSWER_SECONDS, after=seen)
    stage.telegram.say("overheard-meanwhile", thread_id=SYSTEMS)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="slow", after=seq, timeout=ANSWER_SECONDS)
    stage.wait_settled("systems")
    assert "overheard-meanwhile" in addressed(stage, "afterwards", SYSTEMS).body.decode()
    stage.wait_settled("systems")


def test_a_picture_that_is_overheard_is_in_the_profiles_own_cache(stage: Stage) -> None:
    stage.telegram.say_photo(PICTURE, "shown-to-career", thread_id=CAREER)
    body = addressed(stage, "what did they show?", CAREER).body.decode()
    assert "shown-to-career" in body
    home = stage.root.profiles["career"].path
    [named] = re.findall(r"'[^']*' saved at: ([^\]]*)\]", body)
    assert Path(named).is_relative_to(home / "cache")
    assert Path(named).read_bytes() == PICTURE
    assert not list((home / "hermes-router" / "observed").iterdir())
    assert in_the_gateways_home(stage.root, PICTURE) == []
    stage.wait_settled("career")
    assert stored(home, named) == 1


def test_a_file_that_is_overheard_is_within_the_limit_or_left_out(stage: Stage) -> None:
    small, large = b"s" * LARGEST_RECEIVED, b"l" * (LARGEST_RECEIVED + 1)
    stage.telegram.say_document(small, "small.bin", "", thread_id=SYSTEMS)
    stage.telegram.say_document(large, "large.bin", "", thread_id=SYSTEMS)
    body = addressed(stage, "which files?", SYSTEMS).body.decode()
    [named] = re.findall(r"'small.bin' saved at: ([^\]]*)\]", body)
    home = stage.root.profiles["systems"].path
    assert Path(named).is_relative_to(home / "cache")
    assert Path(named).read_bytes() == small
    assert "'large.bin' saved at: nowhere, because a file may have at most 2.0 kB here]" in body
    for content in (small, large):
        assert in_the_gateways_home(stage.root, content) == []
    stage.wait_settled("systems")


def test_a_picture_that_is_overheard_elsewhere_stays_the_gateways(stage: Stage) -> None:
    content = PICTURE + b"of default"
    stage.telegram.say_photo(content, "shown-to-default", thread_id=UNROUTED)
    body = addressed(stage, "what did they show here?", UNROUTED).body.decode()
    [path] = in_the_gateways_home(stage.root, content)
    assert f"saved at: {path}]" in body


def test_channel_prompts_and_skills_are_the_profiles(stage: Stage) -> None:
    of_career = addressed(stage, "for career", CAREER).body.decode()
    assert "prompt-of-career" in of_career
    assert "sk-career-of-career" in of_career
    of_systems = addressed(stage, "for systems", SYSTEMS).body.decode()
    for body in (of_career, of_systems):
        assert "prompt-of-default" not in body
        assert "sk-default-of" not in body
    of_default = addressed(stage, "for default", UNROUTED).body.decode()
    assert "prompt-of-default" in of_default


def test_what_is_kept_of_a_message_in_its_turn_is_without_the_gateways_prompt(
    stage: Stage,
) -> None:
    seen, seq = stage.model.seq, stage.telegram.seq
    stage.telegram.say(f"{BOT} [[sleep 4]] kept", thread_id=CAREER)
    stage.model.wait_chat("kept", timeout=ANSWER_SECONDS, after=seen)
    home = stage.root.profiles["career"].path
    kept = [path.read_text() for path in (home / "hermes-router" / "waiting").glob("*.json")]
    stage.telegram.wait_reply(FORUM, CAREER, contains="kept", after=seq, timeout=ANSWER_SECONDS)
    assert any("[[sleep 4]] kept" in text for text in kept)
    for text in kept:
        assert "observed Telegram group context" in text
        assert "prompt-of-default" not in text
        assert "sk-default" not in text


def test_the_adapters_own_words_on_the_group_stay(stage: Stage) -> None:
    for topic in (CAREER, UNROUTED):
        assert "observed Telegram group context" in addressed(stage, "words", topic).system


def test_a_link_in_the_profile_leads_nothing_out_of_it(stage: Stage, tmp_path: Path) -> None:
    stage.wait_settled("systems")
    folder = stage.root.profiles["systems"].path / "hermes-router" / "observed"
    folder.rmdir()
    folder.symlink_to(tmp_path)
    try:
        stage.telegram.say_photo(PICTURE, "overheard-through-a-link", thread_id=SYSTEMS)
        stage.gateway.wait_log("an observed message was not kept", log="agent.log")
        assert list(tmp_path.iterdir()) == []
        assert in_the_gateways_home(stage.root, PICTURE) == []
    finally:
        folder.unlink()
