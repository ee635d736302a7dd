"""A job's worker: what came of it, whatever the worker does. Real processes, made-up workers."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.hermes.features.jobs import JobConversation
from hermes_router.jobs import job_run
from hermes_router.jobs.job_run import JobRun, JobSpec
from hermes_router.profiles.model import Profile
from hermes_router.turns.dispatcher import Dispatcher
from tests.kit.workers.made_up import HOST, QUICK, Use

START = """
hello(); say(msg.Ready(phases={}))
job = hear(); assert isinstance(job, msg.Job), job
"""
SPEC = JobSpec("cron", "abc", "the brief")


async def done(profile: Profile, *, turn: float = 0.0, spec: JobSpec = SPEC) -> JobRun:
    """Let a job's worker live to its end."""
    settings = replace(QUICK, timeouts=replace(QUICK.timeouts, turn=turn))
    job = JobRun(JobConversation(profile, spec), spec, settings, HOST)
    with anyio.fail_after(60):
        await Dispatcher(HOST).run_job(job.turn)
    return job


def log_of(profile: Profile) -> str:
    return (profile.logs / "hermes-router-worker.log").read_text()


async def test_what_came_of_a_job_is_known_and_logged(profile: Profile, worker: Use) -> None:
    worker(
        START
        + "assert (job.kind, job.id) == ('cron', 'abc')\n"
        + "say(msg.Begun(name='the brief')); say(msg.Ended(outcome='failed', detail='why'))\n"
        + "say(msg.Idle()); say(msg.Draining())"
    )
    job = await done(profile)
    assert (job.result.outcome, job.result.detail, job.result.begun) == ("failed", "why", True)
    assert job.turn.failure is None
    assert f"pid={job.result.pid}" in log_of(profile)
    assert "session=cron:abc launcher=local start=cold" in log_of(profile)
    assert 'job="the brief"' in log_of(profile)
    assert "job=cron:abc outcome=failed" in log_of(profile)


async def test_a_job_outlasts_the_limit_of_a_turn(profile: Profile, worker: Use) -> None:
    worker(
        START
        + "say(msg.Begun(name='x')); time.sleep(1.5); say(msg.Ended(outcome='done'))\n"
        + "say(msg.Idle()); say(msg.Draining())"
    )
    assert (await done(profile, turn=0.2)).result.outcome == "done"


async def test_a_maintenance_that_hangs_is_ended(
    profile: Profile, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no other profile of the gateway would be maintained any more."""
    monkeypatch.setattr(job_run, "_MAINTENANCE_SECONDS", 0.5)
    worker(START + "say(msg.Begun(name='upkeep')); time.sleep(600)")
    assert (await done(profile, spec=JobSpec("upkeep"))).result.outcome == "died"


@pytest.mark.parametrize(
    ("script", "begun", "detail"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", False, "SIGKILL"),
        ("say(msg.Begun(name='x')); os.kill(os.getpid(), signal.SIGKILL)", True, "SIGKILL"),
        ("say(msg.Idle()); say(msg.Draining())", False, "without the result"),
        ("say(msg.Failed(error='oh', traceback=''))", False, "oh"),
        ("say(msg.Start)", False, "status 1"),
    ],
)
async def test_a_worker_that_ends_without_a_word_has_died(
    profile: Profile, worker: Use, script: str, begun: bool, detail: str
) -> None:
    worker(START + script)
    result = (await done(profile)).result
    assert (result.outcome, result.begun) == ("died", begun)
    assert detail in result.detail


async def test_a_job_may_not_act_on_a_conversation(profile: Profile, worker: Use) -> None:
    worker(
        START
        + "say(msg.Call(id=1, method='send', args={'chat_id': '1', 'content': 'hello'}))\n"
        + "assert hear().refused; say(msg.Ended(outcome='done'))\n"
        + "say(msg.Idle()); say(msg.Draining())"
    )
    assert (await done(profile)).result.outcome == "done"
