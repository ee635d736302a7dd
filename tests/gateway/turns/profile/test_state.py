"""What a command set in one message holds in the next, which another worker serves."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    SYSTEMS,
    Stage,
    build_stage,
    start_cold,
)
from tests.kit import FORUM, FakeModel, FakeTelegram, ModelRequest
from tests.kit.model.directives import tool
from tests.kit.model.fast import fast_tier

OWN_MODEL = "gpt-of-career"
"""A name for which Hermes offers /fast."""


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with FakeModel(models=(OWN_MODEL, "other-model")) as server:
        yield server


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.profiles["career"].configure(
        {
            "model": {"default": OWN_MODEL},
            "approvals": {"destructive_slash_confirm": False},
        }
    )
    return start_cold(stage, "systems")


@pytest.fixture
def fresh(stage: Stage) -> Stage:
    """Begin a conversation in which nothing is set."""
    command(stage, "/new")
    return stage


def command(stage: Stage, text: str) -> str:
    """Give a command in the career topic; its worker is gone when this returns."""
    answer = stage.ask(text, CAREER).text
    stage.wait_settled("career")
    return answer


def asked(stage: Stage, text: str) -> ModelRequest:
    """Say something in the career topic and return what its model was sent."""
    seen = stage.model.seq
    stage.ask(text, CAREER, contains=text)
    stage.wait_settled("career")
    [request] = stage.model.requests("chat", after=seen)
    return request


def victim(stage: Stage, name: str) -> Path:
    path = stage.root.profiles["career"].path / "workspace" / name
    path.write_text("precious")
    path.chmod(0o600)
    return path


def remove(path: Path) -> str:
    return tool("terminal", command=f"rm -r {path.name}")


def state_files(stage: Stage) -> list[Path]:
    folder = stage.root.profiles["career"].path / "hermes-router" / "sessions"
    return sorted(folder.glob("*.json"))


def test_model_holds_until_new(fresh: Stage) -> None:
    assert "other-model" in command(fresh, "/model other-model")
    first, second = asked(fresh, "one"), asked(fresh, "two")
    assert (first.model, second.model) == ("other-model", "other-model")
    assert {first.api_key, second.api_key} == {"career-key"}
    assert "[Note: model was just switched" in first.last_user
    assert "[Note: model was just switched" not in second.last_user
    command(fresh, "/new")
    assert asked(fresh, "three").model == OWN_MODEL


def test_model_once_holds_for_one_message(fresh: Stage) -> None:
    command(fresh, "/model other-model --once")
    assert [asked(fresh, text).model for text in ("one", "two")] == ["other-model", OWN_MODEL]


def test_model_once_gives_back_the_sessions_model(fresh: Stage) -> None:
    command(fresh, "/model other-model")
    command(fresh, f"/model {OWN_MODEL} --once")
    models = [asked(fresh, text).model for text in ("one", "two", "three")]
    assert models == [OWN_MODEL, "other-model", "other-model"]


def test_reasoning_holds_until_new(fresh: Stage) -> None:
    before = asked(fresh, "before").json.get("reasoning_effort")
    command(fresh, "/reasoning low")
    efforts = [asked(fresh, text).json.get("reasoning_effort") for text in ("one", "two")]
    assert efforts == ["low", "low"] != [before, before]
    command(fresh, "/new")
    assert asked(fresh, "after").json.get("reasoning_effort") == before


def test_fast_holds_until_new(fresh: Stage) -> None:
    command(fresh, "/fast fast")
    tiers = [asked(fresh, text).json.get("service_tier") for text in ("one", "two")]
    assert tiers == [fast_tier(fresh.model, OWN_MODEL)] * 2
    command(fresh, "/new")
    assert asked(fresh, "after").json.get("service_tier") is None


def test_yolo_holds_until_new(fresh: Stage) -> None:
    command(fresh, "/yolo")
    file = victim(fresh, "under-yolo")
    assert "tool said" in fresh.ask(remove(file), CAREER).text
    assert not file.exists()
    command(fresh, "/new")
    file = victim(fresh, "after-yolo")
    prompt = fresh.ask(remove(file), CAREER)
    assert prompt.buttons
    assert file.exists()
    fresh.telegram.click(prompt, "Deny")
    fresh.wait_settled("career")


def test_approved_for_the_session_is_not_asked_again_in_the_next_turn(fresh: Stage) -> None:
    one, two = victim(fresh, "one"), victim(fresh, "two")
    assert fresh.ask(remove(one), CAREER).buttons
    fresh.ask("/approve session", CAREER, contains="tool said")
    fresh.wait_settled("career")
    assert "tool said" in fresh.ask(remove(two), CAREER).text
    assert not two.exists()
    fresh.wait_settled("career")
    command(fresh, "/new")
    three = victim(fresh, "three")
    prompt = fresh.ask(remove(three), CAREER)
    assert prompt.buttons
    fresh.telegram.click(prompt, "Deny")
    fresh.wait_settled("career")


def test_voice_is_remembered(fresh: Stage) -> None:
    before = command(fresh, "/voice status")
    command(fresh, "/voice on")
    assert command(fresh, "/voice status") != before
    command(fresh, "/voice off")
    assert command(fresh, "/voice status") == before


def test_nothing_of_one_session_reaches_another(fresh: Stage) -> None:
    command(fresh, "/model other-model")
    seen = fresh.model.seq
    fresh.ask("elsewhere", SYSTEMS, contains="elsewhere")
    [request] = fresh.model.requests("chat", after=seen)
    assert request.model == "systems-model"
    fresh.wait_settled("systems")


def turn_records(stage: Stage) -> Path:
    return stage.root.path / "hermes-router" / "turns" / "career.jsonl"


def outside_of_the_home(stage: Stage, words: bytes) -> set[Path]:
    """Return the files of the whole installation, but not the profile's, that have these words."""
    home = stage.root.profiles["career"].path
    files = (path for path in stage.root.path.rglob("*") if path.is_file())
    return {path for path in files if not path.is_relative_to(home) and words in path.read_bytes()}


def test_the_state_is_the_owners_alone(fresh: Stage) -> None:
    command(fresh, "/model other-model")
    fresh.wait_answered(60.0)  # until then the words of the message lie there too
    files = state_files(fresh)
    assert files
    for path in (*files, files[0].parent):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    # The record of its turns is the gateway's: it names their model, and keeps no key.
    assert outside_of_the_home(fresh, b"other-model") <= {turn_records(fresh)}
    assert outside_of_the_home(fresh, b"career-key") == set()
    assert stat.S_IMODE(turn_records(fresh).stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


@pytest.mark.parametrize(
    "content",
    [b"\x00not json", b"[]", b"{}", b'{"version": 99, "session": "x", "state": {"yolo": true}}'],
)
def test_a_damaged_file_costs_a_line_in_the_log(fresh: Stage, content: bytes) -> None:
    command(fresh, "/yolo")
    [path] = state_files(fresh)
    path.write_bytes(content)
    assert asked(fresh, "all the same").model == OWN_MODEL
    assert f"{path}" in fresh.worker_log("career")
    assert json.loads(path.read_bytes())["version"] == 1


def test_what_was_queued_when_the_gateway_stopped_is_run_by_the_next_worker(fresh: Stage) -> None:
    seen = fresh.model.seq
    fresh.telegram.say("[[sleep 60]] busy", thread_id=CAREER)
    fresh.model.wait_chat("busy", timeout=ANSWER_SECONDS, after=seen)
    for text in QUEUE:
        fresh.ask(f"/queue {text}", CAREER)
    seen, seq = fresh.model.seq, fresh.telegram.seq
    fresh.gateway.restart()
    fresh.telegram.say("back again", thread_id=CAREER)
    for text in (*QUEUE, "back again"):
        fresh.telegram.wait_reply(FORUM, CAREER, contains=text, after=seq, timeout=ANSWER_SECONDS)
    texts = [request.last_user or "" for request in fresh.model.requests("chat", after=seen)]
    queued = [text for text in texts if "of the queue" in text]
    assert [text.rpartition("] ")[2] for text in queued] == list(QUEUE), texts
    fresh.wait_settled("career")
    seen = fresh.model.seq
    asked(fresh, "nothing is left")
    assert len(fresh.model.requests("chat", after=seen)) == 1


QUEUE = ("first of the queue", "second of the queue")
