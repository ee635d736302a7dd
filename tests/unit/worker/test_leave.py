"""The end of a worker's process: the work that belongs to it is done while the home is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEAVE = """
import atexit, sys
from hermes_router_worker.__main__ import leave
atexit.register(lambda: print("done", file=sys.stderr))
leave(7)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_made_anew_in_a_home_that_is_gone(tmp_path: Path, is_there: bool) -> None:
    home = tmp_path / "profiles" / "career"
    if is_there:
        home.mkdir(parents=True)
    ended = subprocess.run(
        [sys.executable, "-c", LEAVE],
        env={"HERMES_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 7
    assert ended.stderr == ("done\n" if is_there else "")
