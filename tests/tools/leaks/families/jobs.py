"""Jobs: work that no message waits for, and where what comes of it goes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

from tests.kit import FORUM, Call
from tests.tools.leaks.row import IN_PROCESS, Row
from tests.tools.leaks.side import Side
from tests.tools.leaks.world import BOB, DEFAULT, ERIN, ERINS_BOT

_JOB_SECONDS = 150.0
"""In which a job that is due each minute runs."""


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


def background_task(side: Side) -> str:
    """Have bob do something beside the conversation, and look who does it and who tells."""
    mark, seen, seq = side.mark(), side.model.seq, side.telegram.seq
    topic = side.say(BOB, f"/bg beside {mark}")

    def told() -> bool:
        replies = side.telegram.transcript(thread_id=topic)
        return any(f"echo: beside {mark}" in m.text and m.seq > seq for m in replies)

    answered = side.wait(told, 45)
    keys = {r.api_key for r in side.model.requests("chat", after=seen) if mark in r.last_user}
    wrong = [f"{key} is asked" for key in sorted(keys - {"key-of-bob"})]
    return ", ".join(wrong) if answered or wrong else "bob's task is dropped without a word"


_SECRET = """
import threading
from agent.secret_scope import get_secret
seen = []
def look():
    try:
        seen.append(get_secret("LEAK_OF_BOB_KEY"))
    except Exception as error:
        seen.append(type(error).__name__)
thread = threading.Thread(target=look)
thread.start(); thread.join()
result = "secret:" + str(seen[0])
"""


def secret_in_a_thread(side: Side) -> str:
    """Have a thread of bob's turn ask for one of his own keys."""
    shown = side.inside(BOB, _SECRET)
    if "secret:" not in shown:
        side.unsure(shown)
    found = shown.partition("secret:")[2].strip()
    return "" if found == "own-key-of-bob" else "a thread of bob's turn is refused his own key"


_JOB = """
from hermes_constants import get_hermes_home
script = get_hermes_home() / "scripts" / %(name)r
script.parent.mkdir(exist_ok=True)
line = "ran home=$HERMES_HOME mark=[$LEAK_MARK] jobof%(profile)s"
script.write_text(f'echo "{line}" | tee -a %(seen)s')
from cron.jobs import create_job
job = create_job(
    prompt="x", schedule="every 1m", script=%(name)r, no_agent=True, deliver=%(deliver)r
)
result = "made " + str(job.get("id"))
"""


@dataclass(frozen=True)
class _Jobs:
    """The jobs of a side, all made at once: each takes its minute, or never runs."""

    until: float
    seen: Path
    """Where the job that reports to nobody notes that it ran."""
    topics: dict[str, int]
    """Where the others report to, by profile."""
    seq: int


_made: WeakKeyDictionary[Side, _Jobs] = WeakKeyDictionary()


def _jobs(side: Side) -> _Jobs:
    if side not in _made:
        seq = side.telegram.seq
        topics = {name: side.world.fresh_topic(name) for name in (BOB, ERIN)}
        seen = _make_job(side, BOB, "leak.sh", "local")
        for name, topic in topics.items():
            _make_job(side, name, f"tell-{name}.sh", f"telegram:{FORUM}:{topic}")
        _made[side] = _Jobs(time.monotonic() + _JOB_SECONDS, seen, topics, seq)
    return _made[side]


def _make_job(side: Side, profile: str, name: str, deliver: str) -> Path:
    seen = side.world[profile].path / "workspace" / f"ran-{name}"
    shown = side.inside(
        profile, _JOB % {"name": name, "seen": seen, "deliver": deliver, "profile": profile}
    )
    if "made " not in shown:
        side.unsure(shown)
    return seen


def cron_job(side: Side) -> str:
    """Make a job of bob's that is due each minute, and see what its script finds."""
    jobs = _jobs(side)
    if not side.wait(lambda: "ran " in side.read(jobs.seen), jobs.until - time.monotonic()):
        return "bob's job never runs"
    ran = side.read(jobs.seen).splitlines()[0]
    wrong = [] if f"home={side.world[BOB].path} " in ran else ["it runs in another home"]
    if "of-default" in ran:
        wrong.append("with the launch profile's environment")
    return ", ".join(wrong)


def cron_message(side: Side, profile: str) -> str:
    """Make a job that reports to a topic, and look where and by which bot it arrives.

    A gateway that connects erin's bot has to send by it; the router connects the gateway's own.
    """
    jobs = _jobs(side)

    def told() -> list[Call]:
        calls = side.telegram.calls("sendMessage", after=jobs.seq)
        return [call for call in calls if f"jobof{profile}" in (call.text or "")]

    if not side.wait(told, jobs.until - time.monotonic()):
        return "its message never arrives"
    place = (FORUM, jobs.topics[profile])
    wrong = [] if all(call.place == place for call in told()) else ["it arrives elsewhere"]
    token = side.world.root.token
    if side.name == IN_PROCESS and profile == ERIN:
        token = ERINS_BOT
    if any(call.token != token for call in told()):
        wrong.append("another bot posts it")
    return ", ".join(wrong)


def auxiliary_model(side: Side) -> str:
    """Look who is asked for the title of bob's conversation, when others' had theirs."""
    for name in (DEFAULT, BOB):
        mark, seen = side.mark(), side.model.seq
        side.turn(name, f"a title for this {mark}")

        def asked(seen: int = seen, mark: str = mark) -> list[str]:
            requests = side.model.requests("title", after=seen)
            return [r.api_key for r in requests if mark in r.body.decode()]

        if not side.wait(asked, 40):
            side.unsure(f"nobody was asked for a title: {side.model.listing(seen)}")
    wrong = sorted(set(asked()) - {"key-of-bob"})
    return f"{wrong[0]} is asked for the title" if wrong else ""


ROWS = (
    Row(
        key="R6",
        what="a finished background job is told to another profile, or to nobody",
        probe=completion,
        upstream=(94744, 102635),
        unseen="Hermes notes with each process the conversation that started it",
    ),
    Row(
        key="E7",
        what="the title of a conversation is asked for with another profile's login",
        probe=auxiliary_model,
        upstream=(107611, 108453, 108935),
        unseen="Hermes asks for it with the login that the conversation has",
    ),
    Row(
        key="E9",
        what="`/bg` in a profile's place is dropped, or done by another",
        probe=background_task,
        upstream=(60726, 61276, 74964, 100950),
        leaked_until="0.19",
    ),
    Row(
        key="E9t",
        what="a thread of a turn is refused its own profile's keys",
        plant=lambda world: world[BOB].env({"LEAK_OF_BOB_KEY": "own-key-of-bob"}),
        probe=secret_in_a_thread,
        upstream=(60726, 61276),
    ),
    Row(
        key="K1",
        what="a profile's cron job does not run, or in another's home and environment",
        probe=cron_job,
        upstream=(69377, 74878, 108748),
        leaked_until="0.19",
    ),
    Row(
        key="K3",
        what="a cron job's message of a profile with a bot of its own leaves by the wrong one",
        probe=partial(cron_message, profile=ERIN),
        upstream=(99028, 83182, 98156),
        leaked_until="0.19",
    ),
    Row(
        key="K4",
        what="a cron job's message of a profile without a bot is blocked, or misses its topic",
        probe=partial(cron_message, profile=BOB),
        upstream=(97476, 101404),
        leaked_until="0.19",
    ),
)
