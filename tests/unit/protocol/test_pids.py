"""Which processes run, by their numbers: real ones, in each state that matters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hermes_router.protocol.system.pids import is_running


def test_a_process_runs_until_it_has_ended_even_if_nobody_has_reaped_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if sys.platform == "linux":
        assert not is_running(process.pid)
    process.communicate()
    assert not is_running(process.pid)


@pytest.mark.parametrize("what", [None, 0, -1, "7", 1.5, 2**32 + 1, 10**30])
def test_what_is_no_number_of_a_process_does_not_run(what: object) -> None:
    assert not is_running(what)
