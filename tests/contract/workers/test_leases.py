"""The lease of a conversation whose worker was killed is free, and a living worker's is not."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hermes_router_worker.hermes import replacements
from hermes_router_worker.home.leases import Holders, guard_leases

PATCHES = (replacements.JUDGE_HOLDER, replacements.NAME_HOLDER)
pytestmark = pytest.mark.skipif(
    not replacements.NAME_HOLDER.present(),
    reason="this Hermes has no leases, or tells nobody in which pid namespace their holder is",
)

#: A worker of another sandbox: its pid namespace is not this process's.
WORKER = """
import os, sys
from pathlib import Path

import hermes_state_pidns as namespaces

namespaces._LOCAL_PID_NS = namespaces.LocalPidNamespace("1", True)

from agent import turn_facade_lease
from hermes_state import SessionDB
from hermes_router_worker.home.leases import guard_leases

if "guarded" in sys.argv:
    guard_leases(Path(os.environ["HERMES_HOME"]))
holder = f"pid=7{turn_facade_lease.holder_namespace_token()}:turn=one"
print(SessionDB().try_acquire_session_turn_lease("a-session", holder), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    guard_leases(tmp_path)
    yield tmp_path
    for patch in PATCHES:
        patch.restore()


@pytest.fixture
def database(home: Path) -> Iterator[Any]:
    from hermes_state import SessionDB

    database = SessionDB(home / "state.db")
    yield database
    database.close()


@contextmanager
def worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker that holds the lease."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def is_free(database: Any) -> bool:
    from agent import turn_facade_lease

    holder = f"pid=7{turn_facade_lease.holder_namespace_token()}:turn=two"
    return bool(database.try_acquire_session_turn_lease("a-session", holder))


def locks(home: Path) -> list[Path]:
    return list((home / "hermes-router" / "holders").iterdir())


def test_a_lease_is_free_once_its_worker_was_killed(database: Any) -> None:
    with worker("guarded") as process:
        assert not is_free(database)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_free(database)


def test_a_lease_is_free_once_its_worker_has_ended(database: Any) -> None:
    with worker("guarded") as process:
        process.communicate()
        assert is_free(database)


def test_what_killed_workers_left_is_removed_by_the_next(home: Path, database: Any) -> None:
    with worker("guarded") as process:
        process.kill()
        process.wait()
    assert len(locks(home)) == 1
    assert is_free(database)
    assert len(locks(home)) == 1


def test_a_process_without_a_lock_is_judged_as_hermes_does(database: Any) -> None:
    with worker() as process:
        process.kill()
        process.wait()
        assert not is_free(database)


def test_its_own_lease_is_a_living_workers(tmp_path: Path) -> None:
    holders = Holders(tmp_path / "holders")
    own = f"pid=7:pidns={holders.naming(lambda: '1')()}"
    other = Holders(tmp_path / "holders")
    assert not holders.judging(lambda _: True)(f"{own}:turn=one")
    assert not other.judging(lambda _: True)(f"{own}:turn=one")
    assert other.judging(lambda _: True)("pid=7:pidns=1:turn=one")


def test_a_process_that_knows_no_namespace_names_none(tmp_path: Path) -> None:
    assert Holders(tmp_path / "holders").naming(lambda: None)() is None


def test_the_holder_of_a_compression_is_named_by_its_lock(home: Path) -> None:
    from agent.conversation_compression import _compression_lock_holder

    holder = _compression_lock_holder(object())
    assert f":hermes-router={locks(home)[0].stem}:tid=" in holder


def test_the_records_of_hermess_file_locks_name_the_namespace_alone() -> None:
    plain = importlib.import_module("hermes_state_common").pid_namespace_id()
    assert plain.isdigit()
    replaced = importlib.import_module("hermes_state_pidns").pid_namespace_id()
    assert replaced.startswith(f"{plain}:hermes-router=")
