"""Two processes on one profile home do not delete each other's state.

Real processes, each with a headless runner of the real Hermes on the same home. A round sends each
of them one operation at the same time and waits for both: that is the barrier, and they loaded the
home at different times. The same rounds without the guards lose data, or the test shows nothing.

The processes are forked from one that has imported Hermes and done nothing else. So all tests have
one path for their home, because modules of Hermes may keep it; each test begins with an empty one.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("gateway", reason="needs hermes-agent")

from gateway.run import GatewayRunner

import hermes_router_worker
from hermes_router_worker.hermes.patching import MissingPoint
from hermes_router_worker.hermes.paths import current_home
from hermes_router_worker.home import guards, lock
from hermes_router_worker.home.delegations import restore_delegations, sweep_own
from hermes_router_worker.home.lock import home_lock
from hermes_router_worker.home.process_records import adopt_processes
from hermes_router_worker.home.session_rows import guard_sessions, merge_rows

ROUNDS = 200
ANSWER_SECONDS = 120.0

CONFIG = """\
model: {default: kit-model, provider: custom, base_url: "http://127.0.0.1:9/v1", api_key: none,
        context_length: 200000}
security: {tirith_enabled: false}
model_catalog: {enabled: false}
"""

Reply = dict[str, Any]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture
def home(base: Path, zygote: Zygote) -> Path:
    """A profile home with nothing in it but a configuration."""
    for left in base.iterdir():
        shutil.rmtree(left)
    return _lay_out(base)


def _lay_out(base: Path) -> Path:
    home = base / "root" / "profiles" / "career"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for folder in FOLDERS:
        (base / folder.lower()).mkdir()
    return home


# --- the processes --------------------------------------------------------------------------------


READY = b"ready"


class Zygote:
    """The process that the others are forked from."""

    def __init__(self, home: Path) -> None:
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, env=_environment(home), pass_fds=[theirs.fileno()]
            )
        assert self._control.recv(10) == READY, "its traceback is above"

    def fork(self, *arguments: str) -> tuple[int, int, int]:
        """Return a new process: its id, and the ends of its pipes to write to and to read from."""
        (inwards, write), (read, outwards) = os.pipe(), os.pipe()
        socket.send_fds(self._control, [json.dumps(arguments).encode()], [inwards, outwards])
        os.close(inwards)
        os.close(outwards)
        return int(self._control.recv(100)), write, read

    def end(self) -> None:
        self._control.close()
        self._process.wait(ANSWER_SECONDS)


@pytest.fixture(scope="module")
def zygote(base: Path) -> Iterator[Zygote]:
    zygote = Zygote(_lay_out(base))
    yield zygote
    zygote.end()


@pytest.fixture(autouse=True)
def forked(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workers come from."""
    monkeypatch.setattr(Worker, "zygote", zygote, raising=False)


class Worker:
    """One process with a headless runner; it does one operation per request.

    It answers once by itself, when it is ready.
    """

    zygote: Zygote

    def __init__(self, thread_id: str, *, guarded: bool = True) -> None:
        pid, write, read = self.zygote.fork(thread_id, "guarded" if guarded else "bare")
        self._process = _Process(pid)
        self._requests, self._answers = os.fdopen(write, "wb"), os.fdopen(read, "rb")

    def send(self, *request: Any) -> None:
        """Start one operation."""
        self._requests.write(json.dumps(request).encode() + b"\n")
        self._requests.flush()

    def ask(self) -> Reply:
        """Wait for the answer to the oldest request."""
        watchdog = threading.Timer(ANSWER_SECONDS, self.signal, [signal.SIGKILL])
        watchdog.start()
        line = self._answers.readline()
        watchdog.cancel()
        assert line, "the worker ended; its traceback is above"
        reply: Reply = json.loads(line)
        return reply

    def do(self, *request: Any) -> Reply:
        """Do one operation."""
        self.send(*request)
        return self.ask()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._process.signal(number)

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self._process.signal(signal.SIGKILL)
        self._process.wait()
        self._requests.close()
        self._answers.close()


@contextmanager
def working(home: Path, *threads: str, guarded: bool = True) -> Iterator[list[Worker]]:
    """Run one worker per thread id, ended on the way out."""
    with ExitStack() as stack:
        workers = []
        for thread in threads:
            workers.append(Worker(thread, guarded=guarded))
            stack.callback(workers[-1].end)
        for worker in workers:
            worker.ask()
        yield workers


FOLDERS = ("HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME")


def _environment(home: Path) -> dict[str, str]:
    folders = {name: str(home.parents[2] / name.lower()) for name in FOLDERS}
    search = os.pathsep.join([str(Path(hermes_router_worker.__file__).parents[1]), *sys.path])
    return {
        **folders,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": search,
        "HERMES_HOME": str(home),
        "HERMES_DISABLE_LAZY_INSTALLS": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }


class Operations:
    """What a worker process does when it is asked; runs there, not in the test."""

    def __init__(self, thread_id: str, *, guarded: bool) -> None:
        from gateway.config import GatewayConfig, Platform
        from gateway.run import GatewayRunner
        from gateway.session import SessionSource
        from tools.process_registry import process_registry

        if guarded:
            guards.silence_gateway_status()
        self.runner = GatewayRunner(GatewayConfig())
        if guarded:
            guards.install(self.runner)
        self.registry = process_registry
        self.store = self.runner.session_store
        self.source = SessionSource(
            platform=Platform.TELEGRAM,
            chat_id="-1001",
            chat_type="group",
            thread_id=thread_id,
            user_id="7",
        )
        self.key = self.store._generate_session_key(self.source)
        self.first = ""

    def load(self) -> None:
        """Load the store, as an early operation would."""
        self.store.list_sessions()

    def turn(self, number: int) -> None:
        """A message was answered."""
        entry = self.store.get_or_create_session(self.source)
        self.first = self.first or entry.session_id
        self.store.update_session(self.key, last_prompt_tokens=number)

    def new(self, _number: int) -> None:
        """`/new`."""
        self.store.reset_session(self.key)

    def resume(self, _number: int) -> None:
        """`/resume` of the first conversation."""
        self.store.switch_session(self.key, self.first)

    def model(self, number: int) -> None:
        """`/model`, where this Hermes keeps the choice in the entry."""
        choose = getattr(self.store, "set_model_override", None)
        if choose is not None:
            choose(self.key, {"model": f"model-{number}", "provider": "custom"})

    def set(self, field: str, value: Any) -> None:
        """Change the entry in place, as Hermes does before it saves."""
        setattr(self.store._entries[self.key], field, value)

    def save(self) -> None:
        """Save, as Hermes does after it changed an entry in place."""
        self.store._save()

    def close(self, reason: str) -> None:
        """The conversation ended in the database; the entry does not know yet."""
        self.store._db.end_session(self.store._entries[self.key].session_id, reason)

    def voice(self, mode: str) -> None:
        """`/voice`."""
        self.runner._voice_mode[f"telegram:{self.key}"] = mode
        self.runner._save_voice_modes()

    def spawn(self) -> None:
        """Start a background process."""
        self.registry.spawn_local("exec sleep 300", session_key=self.key)

    def kill(self) -> None:
        """End the oldest background process."""
        self.registry.kill_process(next(iter(self.registry._running)))

    def record(self, number: int) -> None:
        """Note one process more, and one less every third time, without starting any."""
        from tools.process_registry import ProcessSession

        session = ProcessSession(
            id=f"proc_{self.source.thread_id}_{number}",
            command="none",
            session_key=self.key,
            pid=os.getpid(),
        )
        self.registry._running[session.id] = session
        if number % 3 == 0:
            del self.registry._running[next(iter(self.registry._running))]
        self.registry._write_checkpoint()

    def adopt(self) -> None:
        """What a worker does once it knows its session."""
        adopt_processes(self.key)
        restore_delegations(self.key)
        sweep_own(self.runner, self.key)

    def take_results(self) -> None:
        """What a gateway's start does with undelivered results, where the import does not."""
        getattr(self.registry, "restore_completions", lambda: 0)()

    def sweep_results(self) -> None:
        """What a gateway that runs does every minute with results whose process died."""
        from tools import async_delegation

        async_delegation._ORPHAN_STALE_S = -1
        self.runner._sweep_orphaned_completion_ledgers()

    def delegate(self) -> None:
        """A background delegation finished and nobody has taken its result."""
        from tools import async_delegation

        name = f"deleg_{self.source.thread_id}"
        async_delegation._persist_dispatch(
            {"delegation_id": name, "session_key": self.key, "dispatched_at": time.time()}
        )
        event = {
            "type": "async_delegation",
            "delegation_id": name,
            "session_key": self.key,
            "status": "completed",
            "completed_at": time.time(),
        }
        async_delegation._persist_completion(event, {"status": "completed"})

    def status(self) -> None:
        """What turns and adapters do at their begin and end."""
        self.runner._update_runtime_status("running")

    def hold(self) -> None:
        """Take the home's lock and keep it; being stopped comes next."""
        self._held = home_lock(current_home())
        self._held.__enter__()

    def be_impatient(self) -> None:
        """Do not wait seconds for a lock."""
        lock.WAIT_SECONDS = 0.2

    def look(self) -> None:
        """Only answer."""

    def answer(self) -> Reply:
        """What this process believes about its own session."""
        entry = self.store._entries.get(self.key)
        events = list(self.registry.completion_queue.queue)
        return {
            "key": self.key,
            "row": None if entry is None else entry.to_dict(),
            "sessions": len(self.store._entries),
            "running": sorted(self.registry._running),
            "pids": sorted(s.pid for s in self.registry._running.values()),
            "events": [event["delegation_id"] for event in events],
            "voice": dict(self.runner._voice_mode),
        }


def _serve(thread_id: str, kind: str) -> None:
    """The life of a worker process: nothing but answers may reach the test's pipe."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    operations = Operations(thread_id, guarded=kind == "guarded")
    while True:
        print(json.dumps(operations.answer()), file=pipe, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        name, *arguments = json.loads(line)
        getattr(operations, name)(*arguments)


# --- what is on disk ------------------------------------------------------------------------------


def rows_on_disk(home: Path) -> dict[str, Reply]:
    """The rows where Hermes itself looks for them, read without Hermes."""
    with (
        closing(sqlite3.connect(home / "state.db")) as database,
        suppress(sqlite3.OperationalError),
    ):
        found = database.execute(
            "SELECT session_key, entry_json FROM gateway_routing WHERE scope NOT LIKE ?",
            ("%#hermes-router",),
        )
        return {key: json.loads(text) for key, text in found}
    return mirror(home)


def mirror(home: Path) -> dict[str, Reply]:
    """The content of sessions.json."""
    rows = json.loads((home / "sessions" / "sessions.json").read_text(encoding="utf-8"))
    return {key: row for key, row in rows.items() if not key.startswith("_")}


def recorded(home: Path) -> set[str]:
    """The ids of all processes on record."""
    files = [home / "processes.json", *(home / "hermes-router" / "processes").glob("*.json")]
    found: set[str] = set()
    for path in files:
        with suppress(FileNotFoundError):
            found |= {entry["session_id"] for entry in json.loads(path.read_text("utf-8"))}
    return found


def round_of(workers: list[Worker], *requests: tuple[Any, ...]) -> list[Reply]:
    """One operation in each worker at the same time."""
    for worker, request in zip(workers, requests, strict=True):
        worker.send(*request)
    return [worker.ask() for worker in workers]


def losses(home: Path, replies: list[Reply]) -> list[str]:
    """What the disk does not have of what the processes have just written."""
    rows = rows_on_disk(home)
    return [
        f"{reply['key']}: {rows.get(reply['key'])} instead of {reply['row']}"
        for reply in replies
        if rows.get(reply["key"]) != reply["row"]
    ]


def play(home: Path, workers: list[Worker], rounds: int) -> list[str]:
    """Interleave turns, `/new`, `/resume` and `/model`, out of step; returns what was lost."""
    script = ("turn", "model", "turn", "new", "turn", "resume", "model", "turn")
    lost: list[str] = []
    for number in range(1, rounds + 1):
        requests = [(script[(number + shift) % len(script)], number) for shift in (0, 3)]
        lost += losses(home, round_of(workers, *requests))
    return lost


# --- sessions -------------------------------------------------------------------------------------


def test_two_workers_lose_nothing_in_200_interleaved_rounds(home: Path) -> None:
    with working(home, "6", "13") as workers:
        workers[0].do("turn", 0)
        workers[1].do("load")
        workers[1].do("turn", 0)
        assert play(home, workers, ROUNDS) == []
        replies = round_of(workers, ("look",), ("look",))
        assert mirror(home) == {reply["key"]: reply["row"] for reply in replies}


def test_without_the_guards_the_same_rounds_lose_data(home: Path) -> None:
    with working(home, "6", "13", guarded=False) as workers:
        for worker in workers:
            worker.do("load")
        assert play(home, workers, 10) != []


def test_a_later_worker_finds_what_the_earlier_ones_left(home: Path) -> None:
    with working(home, "6", "13") as (first, second):
        for worker in (first, second):
            worker.do("turn", 1)
            worker.do("model", 1)
        left = first.do("look")
    with working(home, "6") as (later,):
        assert later.do("load")["row"] == left["row"]
        assert later.do("load")["sessions"] == 2


def test_an_older_worker_of_the_session_does_not_undo_new(home: Path) -> None:
    with working(home, "6", "6") as (older, newer):
        older.do("turn", 1)
        newer.do("turn", 2)
        fresh = newer.do("new", 3)["row"]
        assert older.do("load")["row"] == fresh
        older.do("model", 4)
        assert older.do("turn", 5)["row"]["session_id"] == fresh["session_id"]
        assert rows_on_disk(home)[newer.do("look")["key"]]["session_id"] == fresh["session_id"]


def test_a_field_that_was_set_but_not_saved_is_merged_with_what_others_saved(home: Path) -> None:
    with working(home, "6", "6") as (setting, other):
        setting.do("turn", 1)
        setting.do("set", "display_name", "Career")
        other.do("turn", 2)
        assert setting.do("load")["row"]["display_name"] == "Career"
        row = setting.do("save")["row"]
        assert (row["display_name"], row["last_prompt_tokens"]) == ("Career", 2)
        assert rows_on_disk(home)[other.do("look")["key"]] == row


def test_a_gateway_without_guards_beside_the_workers_cannot_delete_their_rows(home: Path) -> None:
    with working(home, "1", guarded=False) as (gateway,):
        gateway.do("turn", 1)
        with working(home, "6") as (worker,):
            worker.do("turn", 1)
            left = worker.do("model", 2)
        gateway.do("turn", 2)
        gateway.do("save")  # a turn of Hermes 0.20.6 and newer writes its own row only
        assert left["key"] not in rows_on_disk(home)
        with working(home, "6") as (later,):
            assert later.do("load")["row"] == left["row"]
            assert later.do("load")["sessions"] == 2
            later.do("turn", 3)
        own = gateway.do("look")
        assert rows_on_disk(home)[own["key"]] == own["row"]


def test_a_worker_reads_no_session_before_it_is_asked_to(home: Path) -> None:
    with working(home, "13") as (waiting,), working(home, "6") as (other,):
        other.do("turn", 1)
        assert waiting.do("look")["sessions"] == 0
        assert waiting.do("turn", 1)["sessions"] == 2


def test_sessions_of_an_installation_without_the_table_are_kept(home: Path) -> None:
    with working(home, "6") as (worker,):
        left = worker.do("turn", 1)
    with (
        closing(sqlite3.connect(home / "state.db")) as database,
        suppress(sqlite3.OperationalError),
    ):
        database.execute("DELETE FROM gateway_routing")
        database.commit()
    with working(home, "13", "6") as (other, worker):
        other.do("turn", 1)
        assert worker.do("load")["row"] == left["row"]
        assert worker.do("turn", 2)["row"]["session_id"] == left["row"]["session_id"]


def test_a_siblings_session_that_ended_a_moment_ago_is_not_pruned(home: Path) -> None:
    with working(home, "6", "13") as (ending, sibling):
        left = ending.do("turn", 1)
        ending.do("close", "compression")
        sibling.do("turn", 1)
        assert rows_on_disk(home)[left["key"]] == left["row"]


def test_one_process_at_a_time_holds_the_lock_of_a_home_and_a_dead_one_does_not(
    home: Path,
) -> None:
    with working(home, "6") as (holder,):
        holder.do("hold")
        with home_lock(home, wait=0) as got:
            assert not got
        holder.end()
        with home_lock(home, wait=0) as got, home_lock(home) as nested:
            assert got
            assert nested


async def test_a_function_that_waits_under_its_lock_keeps_no_thread_from_another_lock(
    home: Path,
) -> None:
    """It may wait for such a thread: then both would wait for ever."""

    def in_a_thread() -> bool:
        with home_lock(home) as got:
            return got

    async def function() -> bool:
        return await asyncio.to_thread(in_a_thread)

    with anyio.fail_after(60):
        assert await guards._serialised(function, home)()


async def test_a_function_that_waits_under_its_lock_runs_in_one_task_at_a_time(home: Path) -> None:
    steps: list[str] = []

    async def function(name: str) -> None:
        steps.append(f"{name} begins")
        await asyncio.sleep(0)
        steps.append(f"{name} ends")

    serialised = guards._serialised(function, home)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serialised, "first")
            tasks.start_soon(serialised, "second")
    assert [step.split()[1] for step in steps] == ["begins", "ends"] * 2


def test_a_lock_holder_that_is_stopped_delays_its_siblings_but_does_not_stop_them(
    home: Path,
) -> None:
    with working(home, "6", "13") as (holder, sibling):
        holder.do("hold")
        holder.signal(signal.SIGSTOP)
        sibling.do("be_impatient")
        sibling.do("turn", 1)
        holder.signal(signal.SIGKILL)
        reply = sibling.do("turn", 2)
        assert rows_on_disk(home)[reply["key"]] == reply["row"]


# --- merging --------------------------------------------------------------------------------------

BASE = {"session_id": "a", "created_at": "2026-01-01", "tokens": 1, "model": "x"}


def test_each_side_keeps_the_fields_that_it_changed() -> None:
    mine, theirs = {**BASE, "tokens": 2}, {**BASE, "model": "y", "unknown": 1}
    merged = merge_rows(BASE, mine, theirs)
    assert merged == {**BASE, "tokens": 2, "model": "y", "unknown": 1}


def test_a_field_that_one_side_dropped_stays_dropped() -> None:
    mine = {name: value for name, value in BASE.items() if name != "model"}
    assert merge_rows(BASE, mine, {**BASE, "tokens": 9}) == {**mine, "tokens": 9}


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ({"tokens": 2}, {"session_id": "b"}, "theirs"),
        ({"session_id": "b"}, {"tokens": 2}, "mine"),
        ({"session_id": "b", "created_at": "2026-01-02"}, {"session_id": "c"}, "mine"),
        ({"session_id": "b"}, {"session_id": "c", "created_at": "2026-01-02"}, "theirs"),
    ],
)
def test_the_conversation_that_was_begun_later_wins(
    mine: Reply, theirs: Reply, expected: str
) -> None:
    sides = {"mine": {**BASE, **mine}, "theirs": {**BASE, **theirs}}
    merged = merge_rows(BASE, sides["mine"], sides["theirs"])
    assert merged["session_id"] == sides[expected]["session_id"]


# --- processes, delegations, the rest -------------------------------------------------------------


def process_losses(home: Path, workers: list[Worker], rounds: int) -> list[str]:
    """Write both registries at the same time; returns the rounds after which one was missing."""
    lost = []
    for number in range(1, rounds + 1):
        replies = round_of(workers, ("record", number), ("record", number))
        expected = {name for reply in replies for name in reply["running"]}
        if recorded(home) != expected:
            lost.append(f"round {number}: {sorted(recorded(home) ^ expected)}")
    return lost


def test_two_registries_keep_each_others_processes_in_200_rounds(home: Path) -> None:
    with working(home, "6", "13") as workers:
        assert process_losses(home, workers, ROUNDS) == []


def test_without_the_guards_a_registry_deletes_the_others_processes(home: Path) -> None:
    with working(home, "6", "13", guarded=False) as workers:
        assert process_losses(home, workers, 5) != []


def test_only_the_same_session_adopts_and_only_from_a_dead_worker(home: Path) -> None:
    with working(home, "13") as (alive,), ExitStack() as stack:
        kept = alive.do("spawn")
        stack.callback(_kill, kept["pids"])
        with working(home, "6") as (dying,):
            left = dying.do("spawn")
            stack.callback(_kill, left["pids"])
        with working(home, "13", "6") as (sibling, heir):
            assert sibling.do("adopt")["running"] == []
            assert heir.do("adopt")["running"] == left["running"]
            assert recorded(home) == {*left["running"], *kept["running"]}
            assert heir.do("kill")["running"] == []
            assert recorded(home) == set(kept["running"])
        assert alive.do("look")["running"] == kept["running"]
    assert not (home / "processes.json").exists()


def test_dead_workers_leave_no_files_behind(home: Path) -> None:
    with working(home, "6") as (worker,):
        pids = worker.do("spawn")["pids"]
    _kill(pids)
    with working(home, "13") as (later,):
        later.do("adopt")
        assert list((home / "hermes-router" / "processes").iterdir()) == []


def test_a_worker_takes_only_its_own_sessions_delegation_results(home: Path) -> None:
    delegation = pytest.importorskip("tools.async_delegation")
    if not hasattr(delegation, "restore_undelivered_completions"):
        pytest.skip("in this Hermes results do not survive a process")
    with working(home, "6", "13") as workers:
        for worker in workers:
            worker.do("delegate")
    with working(home, "6", "13") as workers:
        assert [worker.do("take_results")["events"] for worker in workers] == [[], []]
        assert [worker.do("adopt")["events"] for worker in workers] == [["deleg_6"], ["deleg_13"]]
    with working(home, "6", guarded=False) as (bare,):
        assert sorted(bare.do("take_results")["events"]) == ["deleg_13", "deleg_6"]


@pytest.mark.skipif(
    not hasattr(GatewayRunner, "_sweep_orphaned_completion_ledgers"),
    reason="this Hermes looks for results when it starts, not later",
)
def test_a_worker_that_runs_takes_over_only_its_own_sessions_results(home: Path) -> None:
    with working(home, "6") as (heir,), working(home, "20", guarded=False) as (bare,):
        assert heir.do("adopt")["events"] == []
        with working(home, "6", "13") as dying:
            for worker in dying:
                worker.do("delegate")
        assert heir.do("sweep_results")["events"] == ["deleg_6"]
        assert sorted(bare.do("sweep_results")["events"]) == ["deleg_13", "deleg_6"]


def test_voice_modes_of_two_chats_are_both_kept(home: Path) -> None:
    with working(home, "6", "13") as (first, second):
        first.do("voice", "all")
        kept = second.do("voice", "off")["voice"]
        assert sorted(kept.values()) == ["all", "off"]
        assert json.loads((home / "gateway_voice_mode.json").read_text("utf-8")) == kept


def test_a_turn_does_not_present_the_worker_as_the_profiles_gateway(home: Path) -> None:
    with working(home, "6") as (worker,):
        worker.do("status")
        assert not (home / "gateway_state.json").exists()


def test_a_missing_point_is_named_with_the_version_of_hermes() -> None:
    with pytest.raises(MissingPoint, match=r"Hermes \d.* has no object\._ensure_loaded_locked"):
        guard_sessions(object(), Path("unused"))


def _kill(pids: list[int]) -> None:
    """Kill processes that are not ours to wait for, and see them end."""
    for pid in pids:
        with suppress(ProcessLookupError):
            process = _Process(pid)
            process.signal(signal.SIGKILL)
            process.wait()


class _Process:
    """A process that is no child of ours, by a descriptor (Linux)."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def wait(self) -> None:
        """Wait for its end; raises AssertionError if it does not come."""
        ready, _, _ = select.select([self._fd], [], [], ANSWER_SECONDS)
        assert ready

    def __del__(self) -> None:
        os.close(self._fd)


def _fork_workers(control: socket.socket) -> None:
    """Import Hermes, and fork for each message: its arguments, with its stdin and stdout."""
    import gateway.run

    assert gateway.run
    assert threading.active_count() == 1, threading.enumerate()
    control.send(READY)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
    while True:
        message, pipes, _, _ = socket.recv_fds(control, 1000, 2)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for target, pipe in enumerate(pipes):
                os.dup2(pipe, target)
            _serve(*json.loads(message))
            return
        control.send(str(pid).encode())
        for pipe in pipes:
            os.close(pipe)


if __name__ == "__main__":
    _fork_workers(socket.socket(fileno=int(sys.argv[1])))
