"""What can go wrong around a turn: the platform, and disks."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gateway.conftest import ANSWER_SECONDS
from tests.gateway.failures.faults.moments import Case, release, to_come
from tests.kit import FORUM, Call, Reply
from tests.kit.telegram.types import BROKEN
from tests.kit.waiting import wait_until

#: Seconds for which the platform wants to be left alone.
PATIENCE = 4

#: A topic in which no row says anything.
_QUIET_TOPIC = 91

#: Longer than Hermes waits for an answer of the platform.
_NEVER = 60.0


# -- the platform, when the model answers


def send_fails(cases: list[Case]) -> None:
    """The platform answers the reply with an error 500, once."""
    _refuse(cases, 500)


def patience(cases: list[Case]) -> None:
    """The platform wants 4 s of patience, in place of the reply."""
    _refuse(cases, 429, retry_after=PATIENCE)
    for case in cases:
        case.stage.telegram.wait_for(_sends(case), ANSWER_SECONDS, after=case.after)
        begun = time.monotonic()
        case.stage.telegram.wait_reply(FORUM, case.topic, contains=case.text, after=case.after)
        assert time.monotonic() - begun >= PATIENCE - 0.5


def connection_breaks(cases: list[Case]) -> None:
    """The connection to the platform breaks before it has the reply."""
    _refuse(cases, BROKEN)


def connection_breaks_late(cases: list[Case]) -> None:
    """The connection to the platform breaks when it has the reply."""
    _refuse(cases, BROKEN, applied=True)


def no_confirmation(cases: list[Case]) -> None:
    """The platform takes the reply, and does not say so for a minute."""
    for case in cases:
        case.stage.telegram.set_answer_latency("sendMessage", _NEVER, match=_sends(case))
        case.hold.set()


def polls_break(cases: list[Case]) -> None:
    """The connection on which the gateway waits for messages breaks; it connects anew."""
    cases[0].stage.telegram.fail_next("getUpdates", BROKEN)
    for case in cases:
        case.hold.set()


#: A plugin of the gateway's home: upon these words its adapters find themselves broken for good.
LOSE = "lose your adapter"
LOSES_ADAPTERS = f"""
import asyncio

lost = set()


def lose(event=None, gateway=None, **_more):
    if {LOSE!r} not in event.text:
        return None
    for adapter in list(gateway.adapters.values()):
        adapter._set_fatal_error("test_lost", "it was told to", retryable=True)
        lost.add(asyncio.get_running_loop().create_task(adapter._notify_fatal_error()))
    return {{"action": "skip", "reason": "test"}}


def register(ctx):
    ctx.register_hook("pre_gateway_dispatch", lose)
"""


def adapter_replaced(cases: list[Case]) -> None:
    """The adapter breaks, and Hermes replaces it by a new one before the turn goes on."""
    connected = _lose_adapter(cases)
    connected()
    release(cases)


def adapter_lost(cases: list[Case]) -> None:
    """The adapter breaks; the reply comes before Hermes has a new one."""
    connected = _lose_adapter(cases)
    release(cases)
    connected()


def _lose_adapter(cases: list[Case]) -> Callable[[], None]:
    """Have the gateway lose its adapter; return what waits until it has a new one."""
    stage = cases[0].stage
    gone, again = "queued for background reconnection", "telegram reconnected"
    before = [stage.root.log().count(line) for line in (gone, again)]
    stage.telegram.say(LOSE, thread_id=_QUIET_TOPIC)
    wait_until(lambda: stage.root.log().count(gone) > before[0], ANSWER_SECONDS, "it is not lost")
    return lambda: wait_until(
        lambda: stage.root.log().count(again) > before[1], ANSWER_SECONDS, "there is no new adapter"
    )


def topic_deleted(cases: list[Case]) -> None:
    """The topic is deleted."""
    for case in cases:
        case.stage.telegram.delete_topic(case.topic)
        case.undo.append(functools.partial(case.stage.telegram.add_topic, case.topic, "again"))
        case.hold.set()


def bot_removed(cases: list[Case]) -> None:
    """The bot may not write into the chat any more."""
    for case in cases:
        what = "Forbidden: bot was kicked from the supergroup chat"
        case.stage.telegram.fail_next("sendMessage", 403, what, times=99, match=_in_topic(case))
        case.hold.set()


def _refuse(cases: list[Case], code: int, **how: Any) -> None:
    for case in cases:
        case.stage.telegram.fail_next("sendMessage", code, match=_sends(case), **how)
        case.hold.set()


def _sends(case: Case) -> Callable[[Call], bool]:
    return lambda call: call.method == "sendMessage" and case.text in call.text


def _in_topic(case: Case) -> Callable[[Call], bool]:
    return lambda call: call.place == (FORUM, case.topic)


# -- disks


def home_full(cases: list[Case]) -> None:
    """The disk of the profile's home is full."""
    _fill(cases, _home(cases) / "workspace" / "full")
    _go_on(cases)


def home_read_only(cases: list[Case]) -> None:
    """The disk of the profile's home can be read only since before the gateway's start."""
    _read_only(cases, _home(cases))


def logs_a_file(cases: list[Case]) -> None:
    """A file is where the profile's logs belong."""
    logs = _home(cases) / "logs"
    away = logs.rename(logs.with_name("logs-away"))
    logs.touch()

    def undo() -> None:
        logs.unlink()
        away.rename(logs)

    cases[0].undo.append(undo)
    _go_on(cases)


def ledger_full(cases: list[Case]) -> None:
    """The disk of the gateway's ledger is full."""
    _fill_ledger(cases)
    _go_on(cases)


def ledger_read_only(cases: list[Case]) -> None:
    """The disk of the gateway's ledger can be read only since before the gateway's start."""
    _read_only(cases, _ledger(cases))


def ledger_full_and_killed(cases: list[Case]) -> None:
    """The disk of the gateway's ledger is full, and the gateway gets SIGKILL and starts again."""
    _fill_ledger(cases)
    for case in cases:
        case.stage.model.script(Reply("too late", hold=case.hold), contains=case.text, times=1)
        case.say()
        case.stage.model.wait_chat(case.text, after=0, timeout=ANSWER_SECONDS)
    cases[0].stage.gateway.kill()
    for case in cases:
        case.hold.set()
    cases[0].stage.gateway.start()


def gateway_home_full(cases: list[Case]) -> None:
    """The disk of the gateway's own home is full."""
    _fill(cases, cases[0].stage.root.path / "full")
    _go_on(cases)


def tmp_full(cases: list[Case]) -> None:
    """The disk of the temporary folder is full."""
    _fill(cases, _tmp(cases).with_name("full"))
    _go_on(cases)


def tmp_gone(cases: list[Case]) -> None:
    """The temporary folder is removed."""
    folder = _tmp(cases)
    shutil.rmtree(folder, ignore_errors=True)
    cases[0].undo.append(lambda: folder.mkdir(exist_ok=True))
    _go_on(cases)


def _home(cases: list[Case]) -> Path:
    return cases[0].stage.root.profiles[cases[0].profile].path


def _ledger(cases: list[Case]) -> Path:
    return cases[0].stage.root.path / "hermes-router"


def _tmp(cases: list[Case]) -> Path:
    return Path(cases[0].stage.root.gateway_environ()["TMPDIR"])


def _fill(cases: list[Case], path: Path) -> None:
    """Write a file until nothing more fits on its disk."""
    cases[0].undo.append(lambda: path.unlink(missing_ok=True))
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def _fill_ledger(cases: list[Case]) -> None:
    """Fill the disk of the ledger, and the last block of the ledger itself: by empty lines."""
    _fill(cases, _ledger(cases) / "full")
    with contextlib.suppress(OSError), (_ledger(cases) / "ledger.jsonl").open("ab", 0) as file:
        while True:
            file.write(b"\n")


def _read_only(cases: list[Case], folder: Path) -> None:
    """Start the gateway again with a disk that can be read only, and go on."""
    gateway = cases[0].stage.gateway
    gateway.stop()
    _remount(folder, "ro")

    def undo() -> None:
        gateway.stop()
        _remount(folder, "rw")
        gateway.start()

    cases[0].undo.append(undo)
    gateway.start()
    _go_on(cases)


def _remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def _go_on(cases: list[Case]) -> None:
    """Have the model answer, and say what is still to come."""
    for case in cases:
        case.hold.set()
        if case.moment is to_come:
            case.say()
