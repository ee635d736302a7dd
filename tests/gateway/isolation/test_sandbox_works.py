"""What outlives a turn, inside a sandbox: background processes, cron jobs, upkeep, the board."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from contextlib import closing

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Message
from tests.kit.model.directives import tool
from tests.kit.roots import ordinary_user
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

OBSTACLE = launchers.check("bubblewrap") or ordinary_user.obstacle()
pytestmark = [
    pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}"),
    pytest.mark.timeout(400),  # a busy machine takes a minute for the first turn alone
]

TWO_DAYS = 2 * 86_400


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    """Career is shown the board, systems is not; career has a job that is due, and an old file."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {
            "kanban": {"dispatch_interval_seconds": 1},
            "hermes_router": {
                "defaults": {"launcher": "bubblewrap"},
                "schedule": {"cron": 0.2, "upkeep": 0.1},
                "profiles": {"career": {"share": ["kanban"], "jobs": {"upkeep": True}}},
            },
        }
    )
    toolsets = ["hermes-telegram", "kanban"]
    for profile in ("career", "systems"):
        stage.root.profiles[profile].configure(
            {
                "approvals": {"mode": "off"},
                "toolsets": toolsets,
                "platform_toolsets": {"telegram": toolsets},
            }
        )
    home = stage.root.profiles["career"].path
    old = home / "cache" / "images" / "old.png"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b"x")
    os.utime(old, (time.time() - TWO_DAYS,) * 2)
    origin = {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(CAREER)}
    CronStore(home).add_script(
        "boxed",
        f'echo "mark=$MARK init=$(tr "\\0" " " </proc/1/cmdline)"; ls -A {stage.root.path}',
        due=-5,
        deliver="origin",
        origin=origin,
    )
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


def cards(stage: Stage) -> list[str]:
    """Return the titles on the board, as it is outside of all sandboxes."""
    path = stage.root.path / "kanban.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=20)) as board:
        return [title for (title,) in board.execute("SELECT title FROM tasks ORDER BY created_at")]


def test_a_cron_job_runs_inside_and_reports_to_its_topic(stage: Stage) -> None:
    told = stage.telegram.wait_reply(FORUM, CAREER, contains="mark=", timeout=ANSWER_SECONDS)
    assert "mark=career" in told.text
    assert "hermes_router_worker.process.sandbox_init" in told.text
    assert "config.yaml" not in told.text


def test_its_home_is_kept_up_inside(stage: Stage) -> None:
    old = stage.root.profiles["career"].path / "cache" / "images" / "old.png"
    wait_until(lambda: not old.exists(), 120, "the old file is still there")
    (begun, *_) = (line for line in stage.worker_log("career").splitlines() if "=upkeep" in line)
    assert "launcher=bubblewrap" in begun


def since(stage: Stage, seq: int) -> list[Message]:
    return [m for m in stage.telegram.transcript(FORUM, CAREER) if m.seq > seq]


def told(text: str) -> bool:
    return "Background process" in text and "the-end-is-here" in text


def test_the_end_of_a_background_process_is_told_from_inside(stage: Stage) -> None:
    seq = stage.telegram.seq
    call = {
        "command": "until [ -e go ]; do sleep 0.1; done; echo the-end-is-here",
        "background": True,
        "notify_on_complete": True,
    }
    stage.ask(tool("terminal", **call), CAREER, contains="tool said")
    stage.run("touch go", CAREER)
    # Hermes 0.22 says in a line of its own, too, that it ended while a turn ran.
    wait_until(lambda: any(told(m.text) for m in since(stage, seq)), ANSWER_SECONDS)
    stage.wait_settled("career")


def test_a_board_that_is_shared_works_inside_and_tells_its_topic(stage: Stage) -> None:
    stage.gateway.wait_log("shared with the profile career: share kanban", log="agent.log")
    made = stage.ask('/kanban create "from the box"', CAREER, contains="Created t_").text
    found = re.search(r"t_[0-9a-f]+", made)
    assert found, made
    assert "from the box" in cards(stage)
    assert (stage.root.path / "kanban.db").is_symlink()
    assert "from the box" in stage.run("hermes kanban list", CAREER)
    create = json.dumps({"title": "by its tool", "assignee": "nobody"})
    stage.ask(f"[[tool kanban_create {create}]]", CAREER, contains="tool said")
    assert "by its tool" in cards(stage)
    seq = stage.telegram.seq
    stage.ask(f"/kanban complete {found.group()} --summary finished", CAREER)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains=f"Kanban {found.group()} done", after=seq, timeout=ANSWER_SECONDS
    )
    assert ".env" not in stage.run(f"ls -A {stage.root.path}", CAREER)


def test_a_card_that_is_done_inside_attaches_what_the_board_holds_and_no_more(
    stage: Stage,
) -> None:
    made = stage.ask('/kanban create "with files"', CAREER, contains="Created t_").text
    (task,) = re.findall(r"t_[0-9a-f]+", made)[:1]
    (stage.root.base / "private.txt").write_text("PRIVATE")
    kept = stage.root.path / "kanban" / "attachments" / task
    metadata = {"artifacts": [str(stage.root.base / "private.txt"), f"{kept}/report.txt"]}
    seq = stage.telegram.seq
    said = stage.run(
        f"mkdir -p {kept}; echo the-report > {kept}/report.txt; "
        f"hermes kanban complete {task} --summary done --metadata '{json.dumps(metadata)}'",
        CAREER,
    )
    call = stage.telegram.wait_call("sendDocument", after=seq, timeout=ANSWER_SECONDS)
    assert [file.content for file in call.files] == [b"the-report\n"], said
    stage.gateway.wait_log("private.txt: it is not in the board's folder", log="agent.log")
    assert len(stage.telegram.calls("sendDocument", after=seq)) == 1


def test_a_board_that_is_not_shared_is_refused_by_the_name_of_its_setting(stage: Stage) -> None:
    setting = "hermes_router.profiles.systems.share: [kanban]"
    assert setting in stage.ask('/kanban create "lost?"', SYSTEMS).text
    create = json.dumps({"title": "lost?", "assignee": "nobody"})
    assert setting in stage.ask(f"[[tool kanban_create {create}]]", SYSTEMS, contains="tool").text
    assert setting in stage.run("hermes kanban create lost?", SYSTEMS)
    assert "lost?" not in cards(stage)
    home = stage.root.profiles["systems"].path
    assert not list(home.rglob("kanban.db*"))
