"""`status` where no router answers: each reason is told from the others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

from hermes_router.observe.figures import Today
from hermes_router.observe.status.messages import Profile, Status, Worker
from hermes_router.protocol.system.pids import start_time
from hermes_router.state.running import PLACE, Installed, Running
from tests.cli.conftest import Installation, answering, gateway_of


@pytest.fixture
def gateway(installation: Installation) -> Iterator[int]:
    """The id of a process that Hermes's pid file names as this home's gateway."""
    with gateway_of(installation.home) as pid:
        yield pid


def leave_record(installation: Installation, pid: int) -> None:
    """Write the file that a gateway with the router keeps while it runs."""
    code = Installed(
        python=sys.executable,
        router="1",
        hermes="1",
        protocol=1,
        router_code="",
        hermes_code="",
    )
    record = Running(pid=pid, start_time=start_time(pid), since=time.time(), code=code)
    path = installation.home / PLACE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode(record))


def test_without_a_gateway_nothing_runs(installation: Installation) -> None:
    shown = installation.run("status")
    assert shown.status == 1
    assert shown.out.startswith("not running: no gateway with hermes-router is running here")


def test_a_gateway_without_the_router_is_told_from_one_that_does_not_run(
    installation: Installation, gateway: int
) -> None:
    shown = installation.run("status")
    assert shown.status == 1
    assert shown.out.startswith(
        f"without router: the gateway is running, process {gateway}, without the router: "
        "it routes nothing"
    )
    assert "hermes-router doctor" in shown.out + shown.err
    found = installation.run("status", "--json").json
    assert (found["state"], found["exit_status"]) == ("without router", 1)


def test_a_router_without_its_socket_is_said_to_run(
    installation: Installation, gateway: int
) -> None:
    leave_record(installation, gateway)
    shown = installation.run("status")
    assert shown.status == 1
    assert shown.out.startswith(
        f"does not answer: the gateway is running, process {gateway}, but its status socket"
    )


def test_the_record_of_an_earlier_gateway_is_not_believed(
    installation: Installation, gateway: int
) -> None:
    leave_record(installation, os.getpid())
    assert installation.run("status", "--json").json["state"] == "without router"
    assert gateway


def test_the_sums_of_all_profiles_are_in_the_json(installation: Installation) -> None:
    first = Profile(
        name="career",
        workers=[
            Worker(pid=1, role="busy", memory=30),
            Worker(pid=2, role="busy", memory=4, waits_for_person=True),
        ],
        waiting=[9.0, 1.0],
        today=Today(turns=7, failed=2),
    )
    second = Profile(name="finance", workers=[Worker(pid=3, role="busy", memory=500)])
    state = Status(pid=1, home="/h", uptime=86.0, profiles=[first, second])
    with answering(installation, state):
        told = installation.run("status", "--json").json
    sums = {"turns": 7, "failed": 2, "waiting": 2, "busy": 2, "memory": 534}
    assert told["totals"] == sums
