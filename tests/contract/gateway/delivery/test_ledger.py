"""Hermes's ledger of replies as workers keep it, with the real ledger and real processes."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest
from gateway import delivery_ledger

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import is_settled, name_of
from hermes_router_worker.home import lock
from hermes_router_worker.send import ledger

PLACE = msg.Place(platform="telegram", chat_id="-100", thread_id="6")

DEBTOR = """
import sys
from gateway import delivery_ledger
from hermes_router_worker.send import ledger
ledger.install()
delivery_ledger.record_obligation(
    obligation_id="one", session_key="key", platform="telegram", chat_id="-100", thread_id="6",
    content="owed")
delivery_ledger.mark_attempting("one")
print(*delivery_ledger._owner_stamp(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    for name in ("_owner_stamp", "_owner_alive"):
        monkeypatch.setattr(delivery_ledger, name, getattr(delivery_ledger, name))
    monkeypatch.setattr(delivery_ledger, "_hermes_router_debtors", None, raising=False)
    monkeypatch.delattr(delivery_ledger, "_hermes_router_debtors")
    ledger.install()
    return tmp_path


@contextmanager
def debtor() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run a worker that owes a reply; yields it and its stamp."""
    with subprocess.Popen(
        [sys.executable, "-c", DEBTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid, started = process.stdout.readline().split()
        try:
            yield process, int(pid), int(started)
        finally:
            process.kill()


class DeliveryService:
    """Stands for the gateway."""

    def __init__(self, error: str | None = None) -> None:
        self.sent: list[tuple[msg.Place, str]] = []
        self._error = error

    async def deliver(self, target: msg.Place, text: str, **_: Any) -> dict[str, Any]:
        self.sent.append((target, text))
        return {"error": self._error} if self._error else {"success": True}

    async def react(self, target: msg.Place, **_: Any) -> dict[str, Any]:
        raise AssertionError(target)


def state() -> str:
    connection = delivery_ledger._connect()
    (found,) = connection.execute("SELECT state FROM delivery_obligations").fetchone()
    connection.close()
    return str(found)


async def test_what_a_living_worker_owes_is_its_own_and_a_dead_ones_is_sent() -> None:
    post = DeliveryService()
    with debtor() as (process, _pid, _started):
        await ledger.redeliver(post, ["telegram"])
        assert post.sent == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        await ledger.redeliver(post, ["telegram"])
    assert post.sent == [(PLACE, delivery_ledger.RECOVERED_MARKER + "owed")]
    assert state() == "delivered"


async def test_a_reply_that_could_not_be_sent_again_stays_owed() -> None:
    with debtor() as (process, _pid, _started):
        process.kill()
        process.wait()
    await ledger.redeliver(DeliveryService("gone"), ["telegram"])
    assert state() == "failed"


async def test_a_reply_is_not_sent_again_while_the_platform_says_to_wait() -> None:
    with debtor() as (process, _pid, _started):
        process.kill()
        process.wait()
    delivery_ledger.mark_failed("one", "flood_control:60")
    post = DeliveryService()
    await ledger.redeliver(post, ["telegram"])
    waits = hasattr(delivery_ledger, "flood_not_before")  # 0.19 knows no such time
    assert (len(post.sent), state()) == ((0, "failed") if waits else (1, "delivered"))


async def test_nothing_is_claimed_for_a_platform_that_is_not_connected() -> None:
    with debtor() as (process, _pid, _started):
        process.kill()
        process.wait()
    post = DeliveryService()
    await ledger.redeliver(post, ["discord"])
    assert (post.sent, state()) == ([], "attempting")


def test_a_worker_of_another_pid_namespace_lives_while_it_holds_its_lock(home: Path) -> None:
    folder = home / "hermes-router" / "debtors"
    with debtor() as (process, pid, started):
        # what its stamp looks like from outside: an id that no process here has
        (folder / f"{pid}-{started}.lock").rename(folder / "99999999-5.lock")
        assert delivery_ledger._owner_alive(99999999, 5)
        process.kill()
        process.wait()
        assert not delivery_ledger._owner_alive(99999999, 5)
    assert list(folder.iterdir()) == []


def test_a_killed_workers_lock_is_removed_by_the_next_one_that_enters_a_reply(home: Path) -> None:
    """Also if nobody asks for its reply any more; one that lives keeps its lock."""
    folder = home / "hermes-router" / "debtors"
    with debtor() as (process, pid, started), debtor() as (_living, other, other_started):
        process.kill()
        process.wait()
        assert (folder / f"{pid}-{started}.lock").exists()
        mine = "-".join(map(str, delivery_ledger._owner_stamp()))
        left = {path.stem for path in folder.iterdir()}
        assert left == {mine, f"{other}-{other_started}"}
        assert not delivery_ledger._owner_alive(pid, started)
        assert delivery_ledger._owner_alive(other, other_started)


def test_an_owner_without_a_lock_is_judged_as_hermes_does() -> None:
    assert not delivery_ledger._owner_alive(99999999, 5)
    assert delivery_ledger._owner_alive(1, None)


def test_what_the_gateway_sent_is_crossed_off_and_nothing_else() -> None:
    with debtor() as (process, _pid, _started):
        process.kill()
        process.wait()
    now = time.time()
    name = name_of("telegram", "-100", "6", "owed")
    elsewhere = name_of("telegram", "-100", "7", "owed")
    before = msg.DeliveredText(name=name, since=now - 900, until=now - 600)
    other = msg.DeliveredText(name=elsewhere, since=now - 60, until=now)
    assert ledger.cross_off([before, other]) == 0
    assert state() == "attempting"
    assert ledger.cross_off([msg.DeliveredText(name=name, since=now - 60, until=now)]) == 1
    assert state() == "delivered"


def test_a_text_is_settled_only_between_its_times() -> None:
    settled = [
        msg.DeliveredText(name=name_of("telegram", "-100", "6", "x"), since=100.0, until=200.0)
    ]
    assert is_settled(PLACE, "x", 150.0, settled)
    assert not is_settled(PLACE, "y", 150.0, settled)
    assert not is_settled(PLACE, "x", 50.0, settled)
    assert not is_settled(PLACE, "x", 250.0, settled)


def test_two_threads_that_enter_replies_at_once_share_one_lock(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second lock would replace the file of the first, and end with its own object."""
    taken: list[Path] = []
    threads: list[Thread] = []

    def hold_slowly(path: Path) -> IO[bytes]:
        taken.append(path)
        if len(taken) == 1:
            threads.append(Thread(target=delivery_ledger._owner_stamp))
            threads[0].start()
            threads[0].join(0.5)  # for ever, if the other thread has to wait for this one
        return lock.hold_for_life(path)

    monkeypatch.setattr(ledger, "hold_for_life", hold_slowly)
    pid, started = delivery_ledger._owner_stamp()
    threads[0].join(60)
    assert taken == [home / "hermes-router" / "debtors" / f"{pid}-{started}.lock"]
    assert lock.is_held(taken[0])


def test_two_workers_may_ask_at_once_whether_a_third_lives(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither takes the other's look at the lock for the life of the third."""
    path, flock = home / "of-a-dead-one.lock", fcntl.flock
    path.touch()
    others: list[bool] = []

    def look_meanwhile(file: Any, how: int) -> None:
        flock(file, how)
        if not others:
            others.append(True)
            others[0] = lock.is_held(path)

    monkeypatch.setattr(fcntl, "flock", look_meanwhile)
    assert not lock.is_held(path)
    assert others == [False]
