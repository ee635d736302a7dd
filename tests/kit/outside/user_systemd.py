"""A systemd of the test's own that runs user units, as it does for somebody who is logged in."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import psutil

from tests.kit.outside.programs import end

_SYSTEMD = shutil.which("systemd", path="/usr/lib/systemd:/lib/systemd")
_SECONDS = 60.0

#: A user's systemd wants to see that the machine was booted with one; this one's view says so.
_START = (
    "mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec {systemd} --user"
    " --log-target=console"
)


def obstacle() -> str | None:
    """Return why no systemd can run on this machine; None if one can. A test is skipped by it."""
    if _SYSTEMD is None or shutil.which("systemctl") is None:
        return "NOT SHOWN: systemd is not installed"
    if not Path("/run/systemd").is_dir():
        return "NOT SHOWN: there is no /run/systemd to put a folder over"
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run/systemd"]
    if (
        not shutil.which("unshare")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        return "NOT SHOWN: these tests may not mount a folder"
    return None


class UserSystemd:
    """One manager process for the units in a folder's ``.config/systemd/user``. A context manager.

    Its end stops all units.
    """

    def __init__(self, account: Path) -> None:
        self.units = account / ".config" / "systemd" / "user"
        self.units.mkdir(parents=True)
        runtime = account / "runtime"
        runtime.mkdir(mode=0o700)
        self._log = account / "systemd.log"
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(account),
            "XDG_RUNTIME_DIR": str(runtime),
            "SYSTEMD_LOG_LEVEL": "info",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", _START.format(systemd=_SYSTEMD)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS
        while self.shows("", "SystemState") not in {"running", "degraded"}:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"systemd does not run:\n{self._log.read_text('utf-8')}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        below = psutil.Process(self._process.pid).children(recursive=True)
        end(self._process)
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def systemctl(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run ``systemctl --user``."""
        return subprocess.run(
            ["systemctl", "--user", "--no-pager", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def shows(self, unit: str, name: str) -> str:
        """Return the value of a unit's property, such as ``MainPID``; without a unit, its own."""
        return self.systemctl("show", "--value", "-p", name, *unit.split()).stdout.strip()
