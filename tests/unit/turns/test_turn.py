"""A turn against worker processes that misbehave: real processes, made-up workers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import NotWanted, WorkerError
from hermes_router.config.settings import Warm
from hermes_router.profiles.model import Profile
from hermes_router.relay.attachments import Spool
from hermes_router.relay.prompts import Ask
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.gate import StoppedWaiting
from hermes_router.turns.turn import Halt, Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.turns.worker.event_track import Outcome
from hermes_router.workers import turn_log
from hermes_router.workers.launchers import Child, LaunchSpec, local
from hermes_router.workers.patience import Patience
from hermes_router.workers.process import WorkerOrder, WorkerProcess
from hermes_router.workers.worker_log import read_turns
from tests.kit.workers.made_up import ANSWER, HOST, QUICK, Scene, Use, serve


@pytest.fixture
def scene(profile: Profile) -> Scene:
    return Scene(profile)


def log_of(scene: Scene) -> str:
    return (scene.profile.logs / "hermes-router-worker.log").read_text()


async def test_a_good_turn_ends_without_a_word(scene: Scene, worker: Use) -> None:
    worker(
        ANSWER
        + "say(msg.Call(id=1, method='send', args={'content': 'hello'})); assert hear().value"
        "\nsay(msg.Idle()); say(msg.Draining())"
    )
    turn = await serve(scene)
    assert turn.failure is None
    assert scene.notices == []
    assert scene.calls == [("send", {"content": "hello"})]
    assert 'exit="status 0"' in log_of(scene)


GOOD = ANSWER + "say(msg.Idle()); say(msg.Draining())"


async def test_a_full_disk_costs_the_lines_of_the_log_and_not_the_turn(
    scene: Scene, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(turn_log, "write_line", lambda _to, *_, **__: os.write(full, b"line"))
    worker(GOOD)
    with anyio.fail_after(60):
        turn = await serve(scene)
    os.close(full)
    assert turn.failure is None
    assert scene.notices == []


async def test_each_line_of_the_worker_log_is_an_object_where_the_settings_say_so(
    scene: Scene, worker: Use
) -> None:
    worker(ANSWER + "os.write(2, b'printed \"so\"\\n'); say(msg.Idle()); say(msg.Draining())")
    turn = await serve(scene, replace(QUICK, log=replace(QUICK.log, format="json")))
    lines = [json.loads(line) for line in log_of(scene).splitlines()]
    told = [(line["event"], line["turn"]) for line in lines if "event" in line]
    assert told == [(event, turn.id) for event in ("begin", "worker", "end")]
    [printed] = [line for line in lines if "event" not in line]
    assert printed.keys() == {"time", "turn", "text"}
    assert printed["text"] == 'printed "so"'
    [record] = read_turns(scene.profile.logs / "hermes-router-worker.log")
    assert (record.profile, record.outcome, record.exit) == ("career", "answered", "status 0")


@pytest.mark.parametrize("step", ["_loss_costs_nothing", "_log_end"])
async def test_a_turn_ends_whatever_fails_at_its_end(
    scene: Scene, worker: Use, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(_turn: Turn) -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(Turn, step, fail)
    worker(GOOD)
    with anyio.fail_after(60):
        turn = await serve(scene)
    assert turn.ended.is_set()


async def test_whoever_offers_a_message_hears_of_workers_whose_end_fails(
    scene: Scene, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_turn: Turn) -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(Turn, "_loss_costs_nothing", fail)
    worker("raise SystemExit(1)")
    with anyio.fail_after(60), pytest.raises(WorkerError, match="without accepting the message"):
        await serve(scene)


async def test_people_are_told_of_a_failure_whose_record_fails_too(
    scene: Scene, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_turn: Turn) -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(Turn, "_log_end", fail)
    worker(ANSWER + "raise SystemExit(1)")
    with anyio.fail_after(60):
        await serve(scene)
    [told] = scene.told
    assert "stopped unexpectedly" in told


BAD_FRAMES = {
    "cut": ("hello(); raw(b'\\0\\0\\0\\x09abc')", "ended inside a frame"),
    "oversize": ("hello(); raw(b'\\x7f\\0\\0\\0')", "are allowed"),
    "garbage": ("hello(); raw(frame(b'\\xc1\\xc1'))", "broke the protocol"),
    "not-protocol-at-all": ("print('Hello World', flush=True)", "broke the protocol"),
    "wrong-version": ("hello(protocol=99)", "protocol 99"),
    "wrong-profile": ("hello(profile='systems')", "says that it is 'systems'"),
    "no-hello": ("say(msg.Ready(phases={}))", "began with ready"),
    "unknown-op": ("hello(); raw(frame(msgspec.msgpack.encode({'op': 'nonsense'})))", "nonsense"),
    "unknown-field": (
        "hello(); raw(frame(msgspec.msgpack.encode({'op': 'idle', 'resident': False, 'x': 1})))",
        "unknown field",
    ),
    "missing-field": (
        "hello(); raw(frame(msgspec.msgpack.encode({'op': 'call', 'id': 1})))",
        "method",
    ),
    "second-hello": ("hello(); hello()", "sent hello in a state in which it is not allowed"),
    "answer-to-no-event": ("hello(); say(msg.Accepted(event=77))", "event 77"),
    "chunk-without-end": (
        "hello()\nfor i in range(10): say(msg.Chunk(stream=1, data=b'x' * 200_000))",
        "of files at once",
    ),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_ends_that_worker_and_says_why(
    scene: Scene, worker: Use, name: str
) -> None:
    script, reason = BAD_FRAMES[name]
    worker(script + "\ntime.sleep(60)" * (name != "cut"))
    limits = replace(QUICK.limits, file_bytes=1_000_000)
    turn = await serve(scene, replace(QUICK, limits=limits))
    assert turn.failure is not None
    assert reason in str(turn.failure)
    assert reason in log_of(scene)
    assert len(scene.notices) == 1
    assert turn.id in scene.notices[0]
    assert scene.told == scene.notices, "it is the outcome of the message"


async def test_a_refused_call_is_an_error_to_the_worker_only(scene: Scene, worker: Use) -> None:
    worker(
        ANSWER
        + """
say(msg.Call(id=1, method='forbidden', args={})); answer = hear()
assert answer.refused and answer.error and answer.call == 1, answer
say(msg.Idle()); say(msg.Draining())
"""
    )
    turn = await serve(scene)
    assert turn.failure is None
    assert scene.notices == []


async def test_a_worker_that_never_gets_ready_is_ended_in_time(scene: Scene, worker: Use) -> None:
    worker("time.sleep(60)")
    times = replace(QUICK.timeouts, start=1.0)
    with anyio.fail_after(60):
        turn = await serve(scene, replace(QUICK, timeouts=times))
    assert "timeouts.start" in str(turn.failure)
    assert "start: 1 s" in scene.notices[0]


async def test_a_worker_without_a_sign_of_life_is_ended(scene: Scene, worker: Use) -> None:
    worker(ANSWER + "os.kill(os.getpid(), signal.SIGSTOP)")
    times = replace(QUICK.timeouts, silence=1.0)
    with anyio.fail_after(60):
        turn = await serve(scene, replace(QUICK, timeouts=times))
    assert "timeouts.silence" in str(turn.failure)
    assert len(scene.notices) == 1


async def test_a_worker_that_ignores_signals_is_ended(scene: Scene, worker: Use) -> None:
    worker("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWER + "time.sleep(60)")
    times = replace(QUICK.timeouts, turn=1.5)
    with anyio.fail_after(60):
        turn = await serve(scene, replace(QUICK, timeouts=times))
    assert "timeouts.turn" in str(turn.failure)


async def test_the_reply_frees_the_lane_while_the_worker_still_works(
    scene: Scene, worker: Use
) -> None:
    worker(
        ANSWER
        + """
say(msg.Idle())
for _ in range(200):
    say(msg.Call(id=2, method='send', args={'content': 'a title'})); hear(); time.sleep(0.02)
say(msg.Draining())
"""
    )
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        first = await dispatcher.serve(scene, InboundMessage({}, {}), QUICK)
        await first.answered.wait()
        second = await dispatcher.serve(scene, InboundMessage({}, {}), QUICK)
        assert second is not first
        assert not first.ended.is_set()
        await dispatcher.close("the end of the test")
    assert ("send", {"content": "a title"}) in scene.calls


@dataclass
class Telling(Scene):
    """A conversation that notes whether its turn says, during each call, that it sends a reply."""

    turn: Turn | None = None
    sends: list[bool] = field(default_factory=list)

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        assert self.turn is not None
        self.sends.append(self.turn.sends_reply)
        return {"success": args.get("content") != "lost"}


@pytest.mark.parametrize("end", ["say(msg.Idle())", "say(msg.Idle(resident=True))", "sys.exit(1)"])
async def test_a_turn_says_that_it_sends_its_reply_from_then_until_that_is_settled(
    profile: Profile, worker: Use, end: str
) -> None:
    """In the order of the calls: before the reply, the reply twice, after it, and the next one."""
    worker(
        ANSWER
        + f"""
def call(answers, text):
    say(msg.Call(id=1, method='send', args=dict(content=text), answers=answers)); hear()
def asks(): say(msg.ModelRequest(id=1, upto=got.id)); hear()
got = event(); say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
asks(); call(0, 'progress'); call(got.id, 'lost'); call(got.id, 'the reply'); call(0, 'the title')
asks(); call(0, 'progress'); call(got.id, 'the next reply')
{end}
time.sleep(0.2)
"""
    )
    scene = Telling(profile)
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        turn = scene.turn = await dispatcher.serve(scene, InboundMessage({}, {}), QUICK)
        await dispatcher.serve(scene, InboundMessage({}, {}), QUICK)
        await turn.answered.wait()
        assert not turn.sends_reply
        await turn.ended.wait()
    assert scene.sends == [False, True, True, True, False, True]


async def test_messages_that_come_meanwhile_go_to_the_same_worker(
    scene: Scene, worker: Use
) -> None:
    worker(
        ANSWER
        + """
for _ in range(3):
    got = event(); say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
    say(msg.Call(id=got.id, method='send', args=got.fields))
say(msg.Idle()); say(msg.Draining()); time.sleep(0.2)
"""
    )
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        turns = [
            await dispatcher.serve(scene, InboundMessage({"text": str(number)}, {}), QUICK)
            for number in range(4)
        ]
        await turns[0].ended.wait()
    assert len(set(turns)) == 1
    assert [args["text"] for _, args in scene.calls] == ["1", "2", "3"]


async def test_a_message_that_comes_too_late_gets_a_worker_of_its_own(
    scene: Scene, worker: Use, tmp_path: Path
) -> None:
    worker(
        ANSWER
        + f"""
mark = {str(tmp_path / "second")!r}
if not os.path.exists(mark):
    open(mark, "w").close()
    late = event(); say(msg.Refused(event=late.id))
say(msg.Idle()); say(msg.Draining())
"""
    )
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        first = await dispatcher.serve(scene, InboundMessage({"text": "1"}, {}), QUICK)
        second = await dispatcher.serve(scene, InboundMessage({"text": "2"}, {}), QUICK)
        await second.ended.wait()
    assert second is not first
    assert second.failure is None


async def test_sessions_never_share_a_worker(scene: Scene, worker: Use) -> None:
    worker(ANSWER + "time.sleep(30)")
    other = Scene(scene.profile, key="agent:main:telegram:group:1:13")
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        first = await dispatcher.serve(scene, InboundMessage({}, {}), QUICK)
        second = await dispatcher.serve(other, InboundMessage({}, {}), QUICK)
        assert first is not second
        await dispatcher.close("the end of the test")


async def test_what_a_worker_started_ends_with_it(
    scene: Scene, worker: Use, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    worker(
        ANSWER
        + f"""
import subprocess
child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; echo $$ > {pid_file}; exec sleep 600"],
                         start_new_session=True)
while not os.path.exists({str(pid_file)!r}): time.sleep(0.01)
say(msg.Idle()); say(msg.Draining())
"""
    )
    turn = await serve(scene)
    assert turn.failure is None
    pid = int(await anyio.Path(pid_file).read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_gets_nothing_but_its_own(
    scene: Scene, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    worker(
        ANSWER
        + """
say(msg.Call(id=1, method='seen', args={
    "environment": dict(os.environ), "cwd": os.getcwd(), "session": os.getsid(0) == os.getppid(),
    "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))})); hear()
say(msg.Idle()); say(msg.Draining())
"""
    )
    await serve(scene)
    seen = scene.calls[0][1]
    home = scene.profile.home
    assert seen["environment"]["HERMES_HOME"] == str(home)
    assert seen["environment"]["HOME"] == str(home / "home")
    assert seen["cwd"] == str(home / "workspace")
    assert seen["session"]
    assert leaked not in seen["open"]
    assert not await anyio.Path(seen["environment"]["TMPDIR"]).exists()
    os.close(leaked)


NOT_TAKEN = (
    "say(msg.Accepted(event=2)); say(msg.Progress(done=1, waiting=[2]))"
    "; say(msg.Handled(event=2, halted=False)); time.sleep(60)"
)
HALTED = "say(msg.Accepted(event={n})); say(msg.Handled(event={n}, halted={halted}));"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (HALTED.format(n=2, halted=True) + "say(msg.Idle()); say(msg.Draining())", Halt.OBEYED),
        (HALTED.format(n=2, halted=False) + "hear(); time.sleep(60)", Halt.OBEYED),
        (HALTED.format(n=2, halted=True) + "time.sleep(60)", Halt.CUT_OFF),
        ("time.sleep(60)", Halt.ENDED),
        (NOT_TAKEN, Halt.ENDED),
        ("say(msg.Refused(event=2)); say(msg.Idle()); say(msg.Draining())", Halt.REFUSED),
    ],
    ids=[
        "obeys",
        "has nothing to stop",
        "runs on",
        "does not react",
        "cannot take it",
        "is leaving",
    ],
)
async def test_a_turn_that_is_told_to_stop_stops(
    scene: Scene, worker: Use, script: str, outcome: Halt
) -> None:
    worker(ANSWER + "\nhear();" + script)
    dispatcher = Dispatcher(HOST)
    with anyio.fail_after(60):
        turn = await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), QUICK)
        assert await turn.halt(InboundMessage({"text": "/stop"}, {})) is outcome
        if outcome in {Halt.CUT_OFF, Halt.ENDED}:
            assert turn.ended.is_set()
            assert not turn.open
            assert scene.notices == []
        else:
            await turn.kill()


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have each worker be waited for so many seconds, unless the turn is given up meanwhile."""
    seconds, start = [60.0], HOST.workers.start

    async def waits(
        order: WorkerOrder, warm: Warm, patience: Patience | None = None
    ) -> WorkerProcess:
        assert patience is not None
        with patience.wait():
            await anyio.sleep(seconds[0])
        if patience.given_up:
            raise NotWanted("nobody waits for it")
        return await start(order, warm)

    monkeypatch.setattr(HOST.workers, "start", waits)
    return seconds


@pytest.mark.usefixtures("slow_start")
@pytest.mark.parametrize("how", ["halt", "stop", "kill"])
async def test_a_turn_that_waits_for_a_template_can_be_ended(
    scene: Scene, worker: Use, how: str
) -> None:
    worker("hello(); time.sleep(60)")
    dispatcher = Dispatcher(HOST)
    ends = {
        "halt": lambda turn: turn.halt(InboundMessage({"text": "/stop"}, {})),
        "stop": lambda turn: turn.stop("the end of the test"),
        "kill": lambda turn: turn.kill(),
    }
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_unless_stopped, dispatcher, scene)
            turn = await begun(dispatcher)
            await ends[how](turn)
            assert turn.ended.is_set()
            tasks.cancel_scope.cancel()
        await dispatcher.close("the end of the test")
    assert scene.calls == []


async def test_a_supervisor_that_does_not_react_to_a_stop_is_killed(
    scene: Scene, worker: Use
) -> None:
    worker(ANSWER + "while hear(): say(msg.Heartbeat())")
    patient = replace(QUICK, timeouts=replace(QUICK.timeouts, silence=600.0))
    dispatcher = Dispatcher(HOST)
    turn = await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), patient)
    assert turn.pid is not None
    os.kill(turn.pid, signal.SIGSTOP)
    with anyio.fail_after(15):
        assert await turn.halt(InboundMessage({"text": "/stop"}, {})) is Halt.ENDED
    assert turn.ended.is_set()
    with pytest.raises(ProcessLookupError):
        os.kill(turn.pid, 0)


@pytest.fixture
def held_launch(monkeypatch: pytest.MonkeyPatch, worker: Use) -> anyio.Event:
    """Have launches hang until this event is set, as they do behind a template that hangs."""
    worker(ANSWER + 'say(msg.Call(id=1, method="an answer", args={})); hear()\nsay(msg.Idle())')
    go, launch = anyio.Event(), local.launch

    async def held(spec: LaunchSpec) -> Child:
        await go.wait()
        return await launch(spec)

    monkeypatch.setattr(local, "launch", held)
    return go


async def test_a_message_that_is_stopped_while_its_worker_is_started_is_not_served(
    scene: Scene, held_launch: anyio.Event
) -> None:
    dispatcher = Dispatcher(HOST)

    async def stopped() -> None:
        with pytest.raises(StoppedWaiting):
            await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), QUICK)

    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopped)
            turn = await begun(dispatcher)
            await anyio.sleep(0.1)
            assert await turn.halt(InboundMessage({"text": "/stop"}, {})) is Halt.ENDED
    held_launch.set()
    assert turn.pid is None
    assert (scene.calls, scene.notices, dispatcher.turns) == ([], [], frozenset())


async def test_a_message_whose_worker_starts_while_the_gateway_stops_is_left_to_the_next(
    scene: Scene, held_launch: anyio.Event
) -> None:
    dispatcher, inbound = Dispatcher(HOST), InboundMessage({"text": "hi"}, {})
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.serve, scene, inbound, QUICK)
            turn = await begun(dispatcher)
            await anyio.sleep(0.1)
            tasks.start_soon(functools.partial(turn.stop, "the gateway stops", resume=True))
            await anyio.sleep(0.1)
            held_launch.set()
    assert turn.pid is not None
    assert inbound.track.outcome is Outcome.CLOSED
    assert (scene.calls, scene.notices, dispatcher.turns) == ([], [], frozenset())


async def serve_unless_stopped(dispatcher: Dispatcher, scene: Scene) -> None:
    with contextlib.suppress(StoppedWaiting):
        await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), QUICK)


async def begun(dispatcher: Dispatcher) -> Turn:
    while not dispatcher.turns:  # noqa: ASYNC110
        await anyio.sleep(0.01)
    (turn,) = dispatcher.turns
    return turn


async def test_limits_count_from_the_start_of_the_process(
    scene: Scene, worker: Use, slow_start: list[float]
) -> None:
    slow_start[0] = 2.0
    worker("time.sleep(0.5)\n" + ANSWER + "say(msg.Idle()); say(msg.Draining())")
    times = replace(QUICK.timeouts, start=2.0, silence=60.0)
    turn = await serve(scene, replace(QUICK, timeouts=times))
    assert turn.failure is None


FLOOD = 800
PIECE = 50_000


@dataclass
class SlowScene(Scene):
    """A conversation on a platform that does nothing before it is let go."""

    gate: anyio.Event = field(default_factory=anyio.Event)
    done: int = 0

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        await self.gate.wait()
        self.done += 1


async def test_a_slow_platform_slows_the_worker_and_fills_no_memory(
    profile: Profile, tmp_path: Path, worker: Use
) -> None:
    slow, said = SlowScene(profile), tmp_path / "said"
    worker(
        ANSWER + f"for n in range({FLOOD}):\n"
        f"    say(msg.Call(id=n + 1, method='send', args={{'content': 'x' * {PIECE}}}))\n"
        f"    open({str(said)!r}, 'a').write('.')\n"
        f"for n in range({FLOOD}): assert hear().error is None\n"
        "say(msg.Idle()); say(msg.Draining())"
    )
    patience = replace(QUICK, timeouts=replace(QUICK.timeouts, silence=4.0))
    tracemalloc.start()
    try:
        with anyio.fail_after(100):
            turn = await Dispatcher(HOST).serve(slow, InboundMessage({"text": "hi"}, {}), patience)
            while not said.exists() or said.stat().st_size < 16:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            await anyio.sleep(6.0)  # longer than the worker may be silent, were it its silence
            assert said.stat().st_size < 24
            assert not turn.ended.is_set()
            slow.gate.set()
            await turn.ended.wait()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (turn.failure, slow.done) == (None, FLOOD)
    assert peak < 40 * PIECE + 4_000_000 < FLOOD * PIECE / 5
