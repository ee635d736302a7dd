"""The board is shared: a card is worked on as its profile, and told of where it was made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    ONE_GATEWAY,
    SYSTEMS,
    UNROUTED,
    Stage,
    build_stage,
)
from tests.kit import FORUM, FakeModel, FakeTelegram, ModelRequest, Reply, ToolCall
from tests.kit.model.directives import tool

#: Hermes reads a list of routes itself, and would refuse the notices of profiles in it.
LISTED = [
    {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(topic), "profile": profile}
    for topic, profile in ((CAREER, "career"), (SYSTEMS, "systems"))
]

pytestmark = pytest.mark.timeout(400)  # a busy machine takes a minute for the first turn alone


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"gateway": {"profile_routes": None}})
    gateway = {"profile_routes": LISTED, "multiplex_profiles": ONE_GATEWAY}
    stage.root.configure({"kanban": {"dispatch_interval_seconds": 1}, "gateway": gateway})
    stage.root.env({"ROOT_SECRET": "of-the-root", "HERMES_KANBAN_BOARD": "default"})
    toolsets = ["hermes-telegram", "kanban"]
    stage.root.profiles["career"].configure(
        {"toolsets": toolsets, "platform_toolsets": {"telegram": toolsets}}
    )
    return stage


def works_cards(model: FakeModel, note: Path) -> None:
    """Let the model that works on a card note its environment and complete the card."""
    steps = (
        Reply(tool_calls=(ToolCall("terminal", {"command": f"env > {note}; pwd"}),)),
        Reply(tool_calls=(ToolCall("kanban_complete", {"summary": "the-card-is-done"}),)),
        Reply("completed"),
    )

    def step(request: ModelRequest) -> Reply:
        return steps[min(len(request.tool_results), 2)]

    model.script(step, contains="work kanban task")


def card(said: str) -> str:
    found = re.search(r"t_[0-9a-f]+", said)
    assert found, said
    return found.group()


def test_a_card_is_worked_on_as_its_profile_and_its_topic_is_told(
    stage: Stage, tmp_path: Path
) -> None:
    note, seen, seq = tmp_path / "env", stage.model.seq, stage.telegram.seq
    works_cards(stage.model, note)
    made = stage.ask('/kanban create "do it" --assignee systems', CAREER, contains="Created t_")
    task = card(made.text)
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains=f"Kanban {task} done", after=seq, timeout=ANSWER_SECONDS
    )
    assert "the-card-is-done" in told.text
    worked = stage.model.wait_chat("work kanban task", after=seen)
    assert worked.api_key == "systems-key"
    environment = dict(line.split("=", 1) for line in note.read_text().splitlines() if "=" in line)
    home = stage.root.profiles["systems"].path
    assert environment["HERMES_HOME"] == str(home)
    assert environment["HOME"] == str(home / "home")
    assert Path(environment["HERMES_KANBAN_WORKSPACE"]).name == task
    assert environment.get("HERMES_KANBAN_TASK", task) == task  # 0.22 keeps it from programs
    assert "ROOT_SECRET" not in environment
    assert "TELEGRAM_BOT_TOKEN" not in environment
    assert task in stage.ask("/kanban list --status done", SYSTEMS, contains=task).text


def test_the_session_that_made_a_card_goes_on_when_it_is_done(stage: Stage, tmp_path: Path) -> None:
    seen, seq = stage.model.seq, stage.telegram.seq
    works_cards(stage.model, tmp_path / "env")
    create = {"title": "for later", "assignee": "systems", "session_id": "the-session"}
    said = stage.ask(tool("kanban_create", **create), CAREER, contains="tool said")
    task = card(said.text)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains=f"Kanban {task} done", after=seq, timeout=ANSWER_SECONDS
    )
    woken = stage.model.wait_for(
        lambda r: (
            task in r.last_user
            and "work kanban task" not in r.last_user
            and "kanban_create" not in r.last_user
        ),
        ANSWER_SECONDS,
        seen,
    )
    assert woken.api_key == "career-key"
    stage.wait_settled("career")
    stage.telegram.wait_reply(FORUM, CAREER, contains="echo: ", after=seq, timeout=ANSWER_SECONDS)


def test_a_profile_subscribes_no_conversation_that_it_may_not_send_to(stage: Stage) -> None:
    made = stage.ask('/kanban create "for all to see"', CAREER, contains="Created t_")
    task, seq = card(made.text), stage.telegram.seq
    subscribe = f"hermes kanban notify-subscribe {task} --platform telegram --chat-id {FORUM}"
    board, columns = stage.root.path / "kanban.db", "task_id,platform,chat_id,thread_id,created_at"
    values = f"'{task}','telegram','{FORUM}','{SYSTEMS}',0,'default'"
    forge = f"INSERT INTO kanban_notify_subs ({columns},notifier_profile) VALUES ({values})"
    code = f"import sqlite3; c=sqlite3.connect({str(board)!r}); c.execute({forge!r}); c.commit()"
    (stage.root.profiles["career"].path / "workspace" / "forge.py").write_text(code)
    steps = f"{subscribe} --thread-id {UNROUTED} --notifier-profile default && python3 forge.py"
    said = stage.ask(tool("terminal", command=steps), CAREER, contains="tool said").text
    assert f"Subscribed telegram:{FORUM}:{UNROUTED}" in said, said
    stage.ask(f"/kanban complete {task} --summary finished", CAREER)
    done = f"Kanban {task} done"
    stage.telegram.wait_reply(FORUM, CAREER, contains=done, after=seq, timeout=ANSWER_SECONDS)
    told = f"kanban card {task}: telegram:{FORUM}"
    stage.gateway.wait_log(
        f"{told}:{UNROUTED} gets no notice of it: profile career", log="agent.log"
    )
    stage.gateway.wait_log(f"{told}:{SYSTEMS} gets no notice of it: it is routed", log="agent.log")
    topics = {
        topic: stage.telegram.transcript(FORUM, topic) for topic in (CAREER, SYSTEMS, UNROUTED)
    }
    told_of = [topic for topic, said in topics.items() if any(done in one.text for one in said)]
    assert told_of == [CAREER]


def test_a_card_of_a_sandboxed_profile_is_not_worked_on_outside_of_its_sandbox(
    stage: Stage,
) -> None:
    settings = {"profiles": {"career": {"launcher": "bubblewrap"}}}
    stage.root.configure({"hermes_router": settings})
    seq = stage.telegram.seq
    made = stage.ask('/kanban create "no" --assignee career', SYSTEMS, contains="Created t_")
    told = stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="gave up", after=seq, timeout=ANSWER_SECONDS
    )
    assert card(made.text) in told.text
    assert "works in a sandbox" in told.text
