"""Work that goes on after the answer: it reaches its topic, or is ended and named there."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from run_agent import AIAgent

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, ModelRequest, Reply, ToolCall
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes a minute for the first turn alone

REPORT_SECONDS = 200.0
HERMES_ENDS_IT = hasattr(AIAgent, "_close_task_resources")
"""Whether a cron job's end ends the background processes of its agent, as from 0.22 on."""
CAPS = {"timeouts": {"stop": 2, "post_turn": 3, "resident": 12}, "jobs": {"upkeep": False}}


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    """Career has time, systems has little."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {"hermes_router": {"profiles": {"systems": CAPS}, "schedule": {"cron": 0.2}}}
    )
    for profile in ("career", "systems"):
        stage.root.profiles[profile].configure(
            {"memory": {"nudge_interval": 1}, "skills": {"creation_nudge_interval": 1}}
        )
    return stage


def told(stage: Stage, topic: int, contains: str, after: int) -> str:
    return stage.telegram.wait_reply(
        FORUM, topic, contains=contains, after=after, timeout=REPORT_SECONDS
    ).text


def delegate(model: FakeModel, goal: str, held: threading.Event) -> None:
    """Let the model delegate when it is asked to, and the delegate answer when it may."""
    call = ToolCall("delegate_task", {"goal": goal, "background": True})
    script(model, f"please {goal}", Reply(tool_calls=(call,)), Reply("delegated it"))
    model.script(Reply(f"found-{goal}", hold=held), where=lambda r: asks(r, goal))


def asks(request: ModelRequest, goal: str) -> bool:
    """Say whether a request is the delegate's: its first message is the goal."""
    return (
        goal in request.last_user
        and f"please {goal}" not in request.last_user
        and ("ASYNC DELEGATION" not in request.last_user)
    )


def script(model: FakeModel, contains: str, *replies: Reply) -> None:
    """Answer requests with this text by these replies, by how many tool results they have."""

    def reply(request: ModelRequest) -> Any:
        return replies[min(len(request.tool_results), len(replies) - 1)]

    model.script(reply, contains=contains)


def test_a_delegated_task_reports_to_its_topic_and_a_turn_in_between_goes_to_it(
    stage: Stage,
) -> None:
    held, seq = threading.Event(), stage.telegram.seq
    delegate(stage.model, "dig-one", held)
    stage.ask("please dig-one", CAREER, contains="delegated it")
    worker = stage.worker_in_turn("career")
    stage.ask("meanwhile?", CAREER, contains="echo: meanwhile?")
    assert stage.worker_in_turn("career") == worker
    held.set()
    assert "found-dig-one" in told(stage, CAREER, "ASYNC DELEGATION", seq)
    stage.wait_settled("career")


def test_a_background_prompt_delivers_to_its_topic(stage: Stage) -> None:
    held, seq = threading.Event(), stage.telegram.seq
    stage.model.script(Reply("quietly done", hold=held), contains="do-it-quietly")
    stage.ask("/bg do-it-quietly", CAREER, contains="do-it-quietly")
    stage.ask("meanwhile again?", CAREER, contains="echo: meanwhile again?")
    held.set()
    assert "do-it-quietly" in told(stage, CAREER, "quietly done", seq)
    stage.wait_settled("career")


def test_a_goal_goes_on_by_itself_until_it_is_reached(stage: Stage) -> None:
    verdicts = iter(["continue", "done"])

    def judge(_request: ModelRequest) -> Reply:
        return Reply(json.dumps({"verdict": next(verdicts, "done"), "reason": "the script"}))

    stage.model.script(judge, kind="goal_judge")
    seq, seen = stage.telegram.seq, stage.model.seq
    stage.telegram.say("/goal count to two", thread_id=CAREER)
    told(stage, CAREER, "Goal achieved", seq)
    stage.wait_settled("career")
    assert len(stage.model.requests("goal_judge", after=seen)) == 2
    assert len(stage.model.requests("chat", after=seen)) == 2


def test_a_review_and_a_title_are_finished_after_the_answer(stage: Stage) -> None:
    held, seen = threading.Event(), stage.model.seq
    stage.model.script(Reply("Nothing to save.", hold=held), kind="review", times=1)
    stage.ask("remember something", CAREER, contains="echo: remember something")
    review = stage.model.wait_for(lambda r: r.kind == "review", ANSWER_SECONDS, seen)
    stage.ask("and the next?", CAREER, contains="echo: and the next?")  # nobody waits for it
    held.set()
    stage.wait_settled("career")
    assert review.end == "finished"
    assert next(r.end for r in stage.model.requests("title", api_key="career-key")) == "finished"


def test_post_turn_work_that_takes_too_long_is_ended_and_named(stage: Stage) -> None:
    held, seen, seq = threading.Event(), stage.model.seq, stage.telegram.seq
    stage.model.script(Reply("late", hold=held), kind="review", times=1)
    stage.ask("remember this", SYSTEMS, contains="echo: remember this")
    review = stage.model.wait_for(lambda r: r.kind == "review", ANSWER_SECONDS, seen)
    text = told(stage, SYSTEMS, "Ended", seq)
    assert "longer than allowed (post_turn: 3 s): the review of memory and skills." in text
    stage.wait_settled("systems")
    wait_until(lambda: review.end == "disconnected", 120, "the review goes on")
    stage.gateway.wait_log("ended, because it took longer than allowed (post_turn: 3 s)")


def test_work_that_outlives_its_turn_for_too_long_is_ended_and_named(stage: Stage) -> None:
    held, seq = threading.Event(), stage.telegram.seq
    delegate(stage.model, "dig-two", held)
    stage.model.script(Reply("late", hold=held), contains="prompt-two")
    stage.ask("please dig-two", SYSTEMS, contains="delegated it")
    stage.ask("/bg prompt-two", SYSTEMS, contains="prompt-two")
    text = told(stage, SYSTEMS, "Ended", seq)
    assert "longer than allowed (resident: 12 s)" in text
    assert 'background prompt "prompt-two"' in text
    assert 'delegated task "dig-two"' in text
    stage.wait_settled("systems")


def test_what_a_cron_job_leaves_running_is_ended_and_named_unless_hermes_ends_it(
    stage: Stage,
) -> None:
    seq = stage.telegram.seq
    call = ToolCall("terminal", {"command": "exec sleep 31557605", "background": True})
    script(stage.model, "do leaver", Reply(tool_calls=(call,)), Reply("left it running"))
    origin = {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(SYSTEMS)}
    cron = CronStore(stage.root.profiles["systems"].path)
    number = cron.add("leaver", due=-5, deliver="origin", origin=origin)
    if not HERMES_ENDS_IT:
        text = told(stage, SYSTEMS, "is ended", seq)
        assert "Background work of cron job 'leaver' was ended" in text
        assert "longer than allowed (post_turn: 3 s): background process" in text
        assert "exec sleep 31557605" in text
    cron.wait_run(number)
    stage.wait_settled("systems")
    assert not [p for p in stage.gateway.tree() if "31557605" in p.cmdline]
    assert [run["status"] for run in cron.runs(number)] == ["completed"]
    assert "left it running" in told(stage, SYSTEMS, "left it running", seq)
