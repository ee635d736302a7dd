"""Control: commands, replies and jobs that act on another profile, or leave through its bot."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.kit import DEFAULT_KEY
from tests.leaks.paths import nothing_to_see
from tests.leaks.row import IN_PROCESS, LOCAL, SANDBOX, SIDES, Row
from tests.leaks.side import Side
from tests.leaks.world import ALICE, BOB, CAROL, DEFAULT, ERIN, NOBODY, World

ERINS_BOT = "7654321:kit-bot-token_of_erin_BBBBBBBBBBBBBBBB"


def missing_profile(side: Side) -> str:
    seen, mark = side.model.seq, side.mark()
    side.ask(NOBODY, f"hello {mark}")
    asked = [r for r in side.model.requests("chat", after=seen) if mark in r.last_user]
    return "the launch profile answers" if any(r.api_key == DEFAULT_KEY for r in asked) else ""


def profile_command(side: Side) -> str:
    said = side.ask(BOB, "/profile").text
    return "" if BOB in said else f"it says {said[:60]!r}"


def status_command(side: Side) -> str:
    """Compare the model that `/status` or `/model` names with the one that answers."""
    said = side.ask(BOB, "/model").text
    return "" if "model-of-bob" in said else f"/model says {said[:80]!r}"


def model_for_good(side: Side) -> str:
    homes = {name: side.world[name].path / "config.yaml" for name in (DEFAULT, CAROL)}
    before = {name: path.read_text() for name, path in homes.items()}
    side.ask(CAROL, "/model kit-model --provider custom --global")
    side.ask(CAROL, "/reasoning high --global")
    changed = [name for name, path in homes.items() if path.read_text() != before[name]]
    if not changed:
        side.unsure("the commands changed nothing")
    wrong = [f"{name}'s config.yaml is changed" for name in changed if name != CAROL]
    return ", ".join(wrong)


def stop_command(side: Side) -> str:
    """Say /stop in bob's place while alice works."""
    seen, seq, mark = side.model.seq, side.telegram.seq, side.mark()
    hold = side.hold(f"hold {mark}")
    topic = side.say(ALICE, f"hold {mark}")
    side.model.wait_chat(f"hold {mark}", timeout=90, after=seen)
    side.ask(BOB, "/stop")
    threading.Event().wait(1.0)  # what would be stopped has the time for it
    hold.set()
    stopped = not side.wait(
        lambda: any(
            f"held {mark}" in message.text
            for message in side.telegram.transcript(thread_id=topic)
            if message.seq > seq
        ),
        30,
    )
    return "alice's turn is stopped" if stopped else ""


def plant_own_bot(world: World) -> None:
    """Give erin a bot of her own, whatever the gateway makes of it."""
    config = world.root.config["platforms"]["telegram"]
    world[ERIN].configure({"platforms": {"telegram": dict(config) | {"token": ERINS_BOT}}})
    world[ERIN].env({"TELEGRAM_BOT_TOKEN": ERINS_BOT})


def receiving_bot(side: Side) -> str:
    """Write to the gateway's bot in a place that is routed to erin."""
    mark = side.mark()
    said = side.ask(ERIN, f"[[say done {mark}]]", contains=f"done {mark}")
    return "" if said.token == side.world.root.token else "another bot answers"


def completion(side: Side) -> str:
    """Let a job in the background say when it is done."""
    mark, seen = side.mark(), side.model.seq
    command = f"sleep 1; echo finished-{mark}"
    topic = side.world.fresh_topic(BOB)
    side.call(BOB, "terminal", topic, command=command, background=True, notify_on_complete=True)

    def told() -> list[str]:
        requests = side.model.requests("chat", after=seen)
        return [r.api_key for r in requests if f"finished-{mark}" in r.last_user and not _own(r)]

    def _own(request: object) -> bool:
        return "[[tool" in getattr(request, "last_user", "")

    if not side.wait(told, 40):
        return "bob is never told"
    wrong = [key for key in told() if key != "key-of-bob"]
    return f"{wrong[0]} is asked instead" if wrong else ""


_JOB = """
from datetime import datetime, timedelta, timezone
from pathlib import Path
from hermes_constants import get_hermes_home
script = get_hermes_home() / "scripts" / "leak.sh"
script.parent.mkdir(exist_ok=True)
script.write_text('echo "ran home=$HERMES_HOME mark=[$LEAK_MARK]" >> %s')
from cron.jobs import create_job
job = create_job(prompt="x", schedule="every 1m", script="leak.sh", no_agent=True, deliver="local")
result = "made " + str(job.get("id"))
"""


def cron_job(side: Side) -> str:
    """Make a job of bob's that is due each minute, and see what its script finds."""
    seen = _job_result(side)
    shown = side.inside(BOB, _JOB % seen)
    if "made " not in shown:
        side.unsure(shown)
    if not side.wait(lambda: "ran " in side.read(seen), 150):
        return "bob's job never runs"
    ran = side.read(seen).splitlines()[0]
    wrong = [] if f"home={side.world[BOB].path} " in ran else ["it runs in another home"]
    if "of-default" in ran:
        wrong.append("with the launch profile's environment")
    return ", ".join(wrong)


def _job_result(side: Side) -> Path:
    return side.world[BOB].path / "workspace" / "job-ran"


ROWS = (
    Row(
        key="R1",
        what="a route to a profile that does not exist is answered by another",
        probe=missing_profile,
        upstream=(83377, 106019),
    ),
    Row(
        key="R3",
        what="`/profile` names another profile",
        probe=profile_command,
        upstream=(62244, 86946, 92530),
        expected=False,
    ),
    Row(
        key="R3m",
        what="`/model` shows another profile's model",
        probe=status_command,
        upstream=(92530,),
    ),
    Row(
        key="C7",
        what="`/model --global`, `/reasoning --global` write another profile's config.yaml",
        probe=model_for_good,
        upstream=(81764, 87939, 75684, 72476),
    ),
    Row(
        key="R8",
        what="one profile's secret opens another's address (webhooks, API server)",
        probe=nothing_to_see,
        upstream=(72041, 92871),
        absent={
            IN_PROCESS: "the suite's platform has none",
            **dict.fromkeys((LOCAL, SANDBOX), "workers listen nowhere"),
        },
    ),
    Row(
        key="A5",
        what="`/restart` in a profile's place restarts the gateway of all",
        probe=nothing_to_see,
        upstream=(119971,),
        absent=dict.fromkeys(SIDES, "it is for the gateway's admins, wherever they write it"),
    ),
    Row(
        key="R7",
        what="`/stop` ends another profile's turn",
        probe=stop_command,
        upstream=(88404, 89860, 108294),
        expected=False,
    ),
    Row(
        key="R5",
        what="the answer leaves by another bot than the one that was asked",
        plant=plant_own_bot,
        probe=receiving_bot,
        upstream=(49634, 59310, 70620, 65939),
    ),
    Row(
        key="R6",
        what="a finished background job is told to another profile, or to nobody",
        probe=completion,
        upstream=(94744, 102635),
        expected=False,
    ),
    Row(
        key="K1",
        what="a profile's cron job runs, in its own home and environment",
        probe=cron_job,
        upstream=(69377, 74878, 108748),
    ),
)
