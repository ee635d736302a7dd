"""The whole path: routed topics are answered by their profiles, everything else as before."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermes_router.workers.worker_log import FILE_NAME
from tests.gateway.conftest import CAREER, MISSING, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import DEFAULT_KEY, FORUM, USER, FakeModel, FakeTelegram

# Hermes masks what follows a name with AUTH in it up to a space: other lines would be gone.
ENVIRONMENT = (
    '[[tool terminal {"command": "(env | grep -v _AUTH_; echo cwd=$(pwd); echo home=$HOME)'
    ' > environment; echo written"}]]'
)


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "beside-multiplexing"])
def prepared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"gateway": {"multiplex_profiles": request.param}})
    stage.root.env(
        {
            "MARK": "default",
            "TZ": "Asia/Kathmandu",
            "PATH": "/nowhere/of/default:/usr/bin:/bin",
            "HTTPS_PROXY": "http://default.invalid:1",
        }
    )
    return stage


LINEAGE = '[[tool terminal {"command": "echo parent=$PPID."}]]'


def files_with(folder: Path, marker: str) -> set[Path]:
    """Return every file below `folder` that holds `marker`."""
    return {
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and marker.encode() in path.read_bytes()
    }


def test_profile_command_names_the_routed_profile(stage: Stage) -> None:
    for topic, profile in ((CAREER, "career"), (SYSTEMS, "systems")):
        answer = stage.ask("/profile", topic)
        assert f"Profile: {profile}" in answer.text
        assert str(stage.root.profiles[profile].path) in answer.text
        assert answer.token == stage.root.token


def test_unrouted_places_are_answered_by_the_default_profile(stage: Stage) -> None:
    for place in ({"chat_id": FORUM, "thread": UNROUTED}, {"chat_id": USER, "thread": None}):
        answer = stage.ask("/profile", place["thread"], chat_id=place["chat_id"])
        assert "Profile: default" in answer.text
        tool = stage.ask(LINEAGE, place["thread"], chat_id=place["chat_id"], contains="tool said")
        assert f"parent={stage.gateway.pid}." in tool.text
    assert not (stage.root.path / "logs" / FILE_NAME).exists()


def test_each_profile_asks_its_own_model_with_its_own_key(stage: Stage) -> None:
    seen = stage.model.seq
    for topic in (CAREER, SYSTEMS, UNROUTED):
        stage.ask(f"who answers in {topic}?", topic, contains=f"who answers in {topic}")
    chats = stage.model.requests("chat", after=seen)
    assert [(r.model, r.api_key) for r in chats] == [
        ("career-model", "career-key"),
        ("systems-model", "systems-key"),
        ("kit-model", DEFAULT_KEY),
    ]


def test_what_is_said_stays_in_the_profiles_home(stage: Stage) -> None:
    marker = f"marker-{id(stage):x}"
    note = f'[[tool memory {{"action": "add", "target": "memory", "content": "{marker}"}}]]'
    stage.ask(f"remember {marker} {note}", CAREER, contains="tool said")
    stage.wait_settled("career")
    home = stage.root.profiles["career"].path
    found = files_with(stage.root.base, marker)
    assert home / "state.db" in found or home / "state.db-wal" in found
    assert home / "memories" / "MEMORY.md" in found
    assert home / "logs" / "agent.log" in found
    strays = {path for path in found if not path.is_relative_to(home)}
    assert strays == set()


def test_concurrent_turns_see_only_their_own_environment(stage: Stage) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda topic: stage.ask(ENVIRONMENT, topic), (CAREER, SYSTEMS))
        assert all("written" in answer.text for answer in answers)
    homes = {name: home.path for name, home in stage.root.profiles.items()}
    seen = {name: (home / "workspace" / "environment").read_text() for name, home in homes.items()}
    for own, other in (("career", "systems"), ("systems", "career")):
        assert f"home={homes[own] / 'home'}\n" in seen[own]
        assert f"cwd={homes[own] / 'workspace'}\n" in seen[own]
        assert str(homes[other]) not in seen[own]
        for foreign in ("Kathmandu", "/nowhere/of/default", "default.invalid", "MARK=default"):
            assert foreign not in seen[own]
        assert stage.root.token not in seen[own]
    assert "MARK=career" in seen["career"]
    assert "MARK" not in seen["systems"]


def test_a_route_to_a_missing_profile_is_answered_with_one_clear_line(stage: Stage) -> None:
    seen = stage.model.seq
    answer = stage.ask("is anybody there?", MISSING)
    assert "'nobody'" in answer.text
    assert "does not exist" in answer.text
    assert stage.model.requests("chat", after=seen) == []


def test_a_stranger_starts_no_process(stage: Stage) -> None:
    stage.wait_settled("career")
    before = stage.worker_log("career")
    stage.telegram.say("let me in", chat_id=FORUM, thread_id=CAREER, user_id=666)
    stage.gateway.wait_log("unauthorized user 666", timeout=150)
    stage.ask("/profile", UNROUTED)
    assert stage.worker_log("career") == before


def test_the_worker_log_tells_each_turn(stage: Stage) -> None:
    stage.ask("for the log", SYSTEMS, contains="for the log")
    stage.wait_settled("systems")
    lines = [line for line in stage.worker_log("systems").splitlines() if " hermes-router " in line]
    turn = lines[-1].split("turn=")[1].split()[0]
    begin, worker, end = (line for line in lines if f"turn={turn}" in line)
    assert "profile=systems" in begin
    assert f"session=agent:main:telegram:group:{FORUM}:{SYSTEMS}" in begin
    assert re.search(r"start=(cold|prepared) pid=\d+$", begin)
    assert f"turn={turn} pid=" in worker
    assert f'turn={turn} exit="status 0"' in end
    for phase in ("queue=", "start=", "ready=", "model_request=", "reply=", "gone="):
        assert phase in end
