"""What a process is after it has become a profile, and after it was prepared for forking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit import FakeModel, FakeTelegram, HermesRoot

PIPS_PYTHON = "2.7"
"""Not the Python that runs, so that Hermes has something to say."""

pytestmark = pytest.mark.timeout(600)  # two imports of Hermes take a while where it is busy


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what such a process says of itself."""
    with FakeTelegram() as telegram, FakeModel() as model:
        root = HermesRoot(tmp_path_factory.mktemp("preparing"), telegram=telegram, model=model)
        profile = root.add_profile("career")
        profile.configure({"agent": {"environment_probe": True}})
        home = profile.path
        (home / "tmp").mkdir()
        environ = root.gateway_environ()
        environ |= {"HERMES_HOME": str(home), "TMPDIR": str(home / "tmp")}
        environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        environ["PATH"] = os.pathsep.join([str(_slow_pip(home / "bin")), environ["PATH"]])
        done = subprocess.run(
            [sys.executable, "-P", __file__],
            env=environ,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout) | {"home": home}


def _slow_pip(folder: Path) -> Path:
    """Write a `pip` that answers later than everything else is prepared."""
    folder.mkdir(exist_ok=True)
    pip = folder / "pip"
    pip.write_text(f"#!/bin/sh\nsleep 2.5\necho 'pip 1.0 from /somewhere (python {PIPS_PYTHON})'\n")
    pip.chmod(0o755)
    return folder


def test_no_watchdog_of_a_gateways_start_is_armed(found: dict[str, Any]) -> None:
    assert found["watched"] is False
    assert "gateway-startup-watchdog" not in found["threads_after_import"]


def test_what_its_tools_start_is_watched_as_ever(found: dict[str, Any]) -> None:
    assert found["watchdog_variable"] is None


def test_a_prepared_process_may_be_forked(found: dict[str, Any]) -> None:
    assert found["obstacle"] is None


def test_the_machines_python_tools_are_known_before_it_may_be_forked(found: dict[str, Any]) -> None:
    assert PIPS_PYTHON in found["python_tools"]


def test_neither_of_them_presents_itself_as_the_profiles_gateway(found: dict[str, Any]) -> None:
    assert not (found["home"] / "gateway_state.json").exists()


def _look() -> dict[str, Any]:
    """Become the profile and prepare, as a template does."""
    import gc
    import importlib.util
    import threading

    from hermes_router_worker.hermes.startup import logs, warmup
    from hermes_router_worker.startup import bootstrap, fork_safety, steps

    bootstrap.become_profile("career", share_auth=False)
    said: dict[str, Any] = {
        "threads_after_import": [thread.name for thread in threading.enumerate()],
        "watchdog_variable": os.environ.get("HERMES_STARTUP_WATCHDOG"),
        "watched": False,
    }
    if importlib.util.find_spec("hermes_startup_watchdog") is not None:
        watchdog: Any = importlib.import_module("hermes_startup_watchdog")
        said["watched"] = watchdog._handle is not None
    warmup.everything(steps.sync_skills)
    said["python_tools"] = importlib.import_module("tools.env_probe")._CACHED_LINE
    logs.quiet_logging()
    gc.collect()
    return said | {"obstacle": fork_safety.obstacle({0, 1, 2, PIPE})}


if __name__ == "__main__":
    PIPE = os.dup(1)
    os.dup2(2, 1)
    os.write(PIPE, json.dumps(_look()).encode())
    os._exit(0)
