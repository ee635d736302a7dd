"""What can end, or go wrong, in a turn. Each function here does it to the cases of one row."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from hermes_router.workers.worker_log import parse_turns
from tests.gateway.conftest import ANSWER_SECONDS
from tests.gateway.failures.faults.moments import Case, release, tell_tool, to_come
from tests.kit import FORUM
from tests.kit.waiting import wait_until

End = Callable[[list[Case]], None]

#: Of a profile whose tools run into them; a worker of Hermes 0.22 needs half a gigabyte.
LIMITS = {"memory_bytes": 900_000_000, "open_files": 256}


def worker(cases: list[Case]) -> None:
    """SIGKILL of the worker."""
    for case in cases:
        _signal(_worker(case))


def worker_stopped(cases: list[Case]) -> None:
    """SIGSTOP of the worker, which is silent then."""
    for case in cases:
        _signal(_worker(case), signal.SIGSTOP)


def supervisor(cases: list[Case]) -> None:
    """SIGKILL of the supervisor of the worker."""
    for case in cases:
        pid = _worker(case)
        if psutil.pid_exists(pid):
            _signal(psutil.Process(pid).ppid())


def ready_worker(cases: list[Case]) -> None:
    """SIGKILL of the worker that is prepared for it."""
    _end_prepared(cases, ready=signal.SIGKILL)


def ready_worker_stopped(cases: list[Case]) -> None:
    """SIGSTOP of the worker that is prepared for it."""
    _end_prepared(cases, ready=signal.SIGSTOP)


def template(cases: list[Case]) -> None:
    """SIGKILL of the profile's template."""
    _end_prepared(cases, template=signal.SIGKILL)


def template_stopped(cases: list[Case]) -> None:
    """SIGSTOP of the profile's template, which has no worker ready."""
    _end_prepared(cases, template=signal.SIGSTOP, ready=signal.SIGKILL)


def out_of_memory(cases: list[Case]) -> None:
    """Its tool takes more memory than `limits.memory_bytes`."""
    for case in cases:
        tell_tool(case, "held = b'x' * 1_200_000_000; time.sleep(60)")


def out_of_descriptors(cases: list[Case]) -> None:
    """Its tool opens more files than `limits.open_files`."""
    for case in cases:
        tell_tool(case, "held = [open('/dev/null') for _ in range(1_000)]")


def config_edited(cases: list[Case]) -> None:
    """An edit of the configuration routes the places to another profile."""
    routes = {str(FORUM): {str(case.topic): "systems" for case in cases}}
    root = cases[0].stage.root
    with _edited(cases, noted="route changed: "):
        root.configure({"gateway": {"profile_routes": {"telegram": routes}}})


def config_broken(cases: list[Case]) -> None:
    """An edit after which the configuration cannot be read."""
    file = cases[0].stage.root.path / "config.yaml"
    with _edited(cases, noted="configuration refused"):
        file.write_text(f"{file.read_text()}\n- [")


def second_gateway(cases: list[Case]) -> None:
    """A second `hermes gateway run` on the same home."""
    stage = cases[0].stage
    serving = stage.gateway.pid
    second = stage.outside(*stage.gateway.command)
    assert str(serving) in second.stdout, second.stdout + second.stderr
    assert stage.gateway.running
    release(cases)


def gateway(cases: list[Case]) -> None:
    """SIGKILL of the gateway, and its next start."""
    cases[0].stage.gateway.kill()
    release(cases)
    cases[0].stage.gateway.start()


def gateway_twice(cases: list[Case]) -> None:
    """SIGKILL of the gateway, twice within 2 s."""
    gateway(cases)
    time.sleep(1.5)
    cases[0].stage.gateway.kill()
    cases[0].stage.gateway.start()


def sigterm(cases: list[Case]) -> None:
    """SIGTERM of the gateway, whose turns can end within the drain, and its next start."""
    threading.Timer(1.0, release, [cases]).start()
    cases[0].stage.gateway.restart()


def replaced(cases: list[Case]) -> None:
    """`hermes gateway run --replace`, while the turns can end within 10 s."""
    threading.Timer(1.0, release, [cases]).start()
    cases[0].stage.gateway.replace()


def replaced_hard(cases: list[Case]) -> None:
    """`hermes gateway run --replace`, while no turn ends."""
    cases[0].stage.gateway.replace()


def _signal(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    if psutil.pid_exists(pid):
        os.kill(pid, number)


#: These end the gateway: nobody is answered meanwhile, and a line names the message that it is of.
ENDS_THE_GATEWAY = frozenset({gateway, gateway_twice, sigterm, replaced, replaced_hard})


def _worker(case: Case) -> int:
    """Return the process id of the case's worker; in a sandbox it has another one of its own."""
    turns = parse_turns(case.stage.worker_log(case.profile).splitlines())
    turn = [one.turn for one in turns if (one.session or "").endswith(f":{case.topic}")][-1]
    return case.stage.gateway.wait_process(f"-p {case.profile} busy {turn}").pid


def _end_prepared(cases: list[Case], **signals: signal.Signals) -> None:
    """Send signals to prepared processes; then what is to come is said, and all are released."""
    gateway, profile = cases[0].stage.gateway, cases[0].profile
    pids = {role: gateway.wait_process(f"-p {profile} {role}").pid for role in signals}
    for role, number in signals.items():
        _signal(pids[role], number)
    for case in cases:
        if case.moment is to_come:
            case.say()
    release(cases)


@contextmanager
def _edited(cases: list[Case], *, noted: str) -> Iterator[None]:
    """Have the turns go on when the gateway has read an edit; it is taken back in the end.

    The gateway reads it with the next message, of whomever; its log then says what is ``noted``.
    """
    root = cases[0].stage.root
    file = root.path / "config.yaml"
    good, before = file.read_text(), root.log().count(noted)
    cases[0].undo.append(lambda: file.write_text(good))
    yield
    wait_until(lambda: root.log().count(noted) > before, ANSWER_SECONDS, f"no {noted}")
    release(cases)
