"""`Gateway`: the real `hermes gateway run` as a child process of the test.

root = HermesRoot(tmp_path, telegram, model)
with Gateway(root) as gateway:
    telegram.say("hello")
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import psutil

from tests.kit.roots.homes import MARKER, HermesRoot
from tests.kit.roots.ordinary_user import as_ordinary_user

START_TIMEOUT = 180.0
STOP_TIMEOUT = 90.0
_TAIL_LINES = 40
_TICK = 0.02
_LOOK = 0.1
"""Seconds between two looks at all processes, which take some milliseconds."""


@dataclass(frozen=True, slots=True)
class Proc:
    """A process below a gateway, as it was when a test looked at it."""

    pid: int
    ppid: int
    cmdline: str

    @property
    def role(self) -> str:
        """What a process of the router's says that it does: `busy`, `ready`, `template`, ..."""
        name, _, _profile, role, *_ = [*self.cmdline.split(), "", "", "", ""]
        return role if name == "hermes_router_worker" else ""

    @property
    def is_preparing(self) -> bool:
        """True if it is a template that cannot fork yet: once it can, its command line differs."""
        program, *arguments = self.cmdline.split() or [""]
        return Path(program).name.startswith("python") and "--template" in arguments


class GatewayFailedError(RuntimeError):
    """The gateway did not start; the text ends with its log."""


class Gateway:
    """One gateway process of a root, on which a test can wait.

    ``start`` and ``stop`` end within a time limit. ``stop`` also kills every process that was
    started for the root.
    """

    _entered: ClassVar[set[Gateway]] = set()
    """Those that are, or may be, running."""
    _forbidden: ClassVar[bool] = False

    def __init__(self, root: HermesRoot, *args: str, ordinary_user: bool = False) -> None:
        self.root = root
        self.ordinary_user = ordinary_user
        """Run it as an ordinary user even if the tests run as root."""
        self.command = [sys.executable, "-m", "hermes_cli.main", "gateway", "run", *args]
        self.log_path: Path = root.base / "gateway.log"
        self.started_in: float | None = None
        """Seconds from spawn to the first getUpdates."""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id; raises RuntimeError when it is not running."""
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = START_TIMEOUT) -> Self:
        """Start the gateway process, and return when it asks the fake Telegram for updates.

        Raises GatewayFailedError when it ends before that, or has not asked within ``timeout``
        seconds.
        """
        before, begin = self.root.telegram.seq, time.monotonic()
        self._process = self._spawn(self.command)
        self._wait_polling(self._process, before, begin + timeout)
        self.started_in = time.monotonic() - begin
        return self

    def replace(self, timeout: float = START_TIMEOUT) -> Self:
        """Start a gateway with ``--replace``, and return when it asks for updates in its place.

        Raises GatewayFailedError as :meth:`start` does, or when the gateway before it lives on.
        """
        before, deadline = self._process, time.monotonic() + timeout
        if before is None:
            raise RuntimeError("the gateway is not running")
        self._process = self._spawn([*self.command, "--replace"])
        try:
            before.wait(timeout)
        except subprocess.TimeoutExpired:
            before.kill()
            before.wait(STOP_TIMEOUT)
            raise GatewayFailedError(f"it was not replaced in {timeout} s\n{self.tail()}") from None
        self._wait_polling(self._process, self.root.telegram.seq, deadline)
        return self

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        self._entered.add(self)
        if self._forbidden:
            raise GatewayFailedError("no more gateways are to be started")
        if self.ordinary_user:
            command = as_ordinary_user(command, self.root.base)
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.root.gateway_environ(),
                cwd=self.root.base / "home",
                start_new_session=True,
            )

    def _wait_polling(self, process: subprocess.Popen[bytes], after: int, deadline: float) -> None:
        """Wait for the first getUpdates behind ``after`` while the process lives."""
        while True:
            left = deadline - time.monotonic()
            try:
                self.root.telegram.wait_polling(
                    self.root.token, after=after, timeout=max(0, min(left, 0.5))
                )
            except TimeoutError:
                code = process.poll()
                if code is not None or left <= 0:
                    what = "no getUpdates in time" if code is None else f"exited: {code}"
                    raise GatewayFailedError(f"{what}\n{self.tail()}") from None
            else:
                return

    def stop(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """Send SIGTERM, wait, then kill every process of this root; returns the exit code.

        A gateway that had to be killed is reported as -9. Does nothing when it is not running,
        except for the sweep.
        """
        process, self._process = self._process, None
        below = self._below(process.pid) if process is not None else []
        code: int | None = None
        try:
            if process is not None:
                process.send_signal(signal.SIGTERM)
                try:
                    code = process.wait(timeout)
                except subprocess.TimeoutExpired:
                    below += self._below(process.pid)
                    process.kill()
                    code = process.wait(timeout)
        finally:
            self._kill([p for p in below if self._is_ours(p)] + self.leftovers())
            self._entered.discard(self)
        return code

    @classmethod
    def forbid(cls) -> list[Gateway]:
        """Let no gateway be started any more in this process; return those that run or may run.

        A command that a signal ends uses it: the caller stops the gateways that are returned.
        """
        cls._forbidden = True
        return list(cls._entered)

    def kill(self) -> None:
        """Kill the gateway process alone with SIGKILL, as a crash would; children live on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT)
            self._process = None

    def restart(self) -> Self:
        """Stop it and start it again."""
        self.stop()
        return self.start()

    def wait_exit(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait until it ends by itself; returns the exit code."""
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process.wait(timeout)

    # -- its output and its processes

    def log_text(self) -> str:
        """Return what the gateways of this root have printed, all runs together."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of its output and of its error log."""
        shown = self.log_text().splitlines()[-lines:]
        errors = self.root.log("errors.log").splitlines()[-lines:]
        return "\n".join(["--- gateway.log", *shown, "--- errors.log", *errors])

    def wait_log(self, text: str, timeout: float = 120.0, *, log: str | None = None) -> str:
        """Return the first line with this text, from its output or a log file of the root.

        A log file cannot wake a waiter, so this one looks every few milliseconds. Raises
        TimeoutError with the tail of the output.
        """
        deadline = time.monotonic() + timeout
        while True:
            for line in (self.root.log(log) if log else self.log_text()).splitlines():
                if text in line:
                    return line
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} not in {log or 'gateway.log'}\n{self.tail()}")
            time.sleep(_TICK)

    def tree(self) -> list[Proc]:
        """Return the processes below the gateway, itself excluded."""
        return [proc for p in self._below(self.pid) if (proc := _look(p)) is not None]

    def wait_process(self, text: str, timeout: float = 120.0) -> Proc:
        """Return the first process below the gateway whose command line contains a string.

        Raises TimeoutError listing those that are there.
        """
        deadline = time.monotonic() + timeout
        while True:
            tree = self.tree()
            for proc in tree:
                if text in proc.cmdline:
                    return proc
            if time.monotonic() > deadline:
                raise TimeoutError(f"no process with {text!r} among {tree}")
            time.sleep(_TICK)

    def wait_prepared(self, timeout: float = 30.0) -> None:
        """Return when each template that the gateway has started can fork workers, or has ended.

        A message before that would have a worker started beside the templates, which takes as much
        processor time as one of them. A gateway that is too slow is not waited for any longer.
        """
        deadline = time.monotonic() + timeout
        while any(proc.is_preparing for proc in self.tree()) and time.monotonic() < deadline:
            time.sleep(_LOOK)

    def leftovers(self) -> list[psutil.Process]:
        """Return all processes that were started for this root, wherever they hang in the tree."""
        tests = _own_lineage()
        return [p for p in psutil.process_iter() if p.pid not in tests and self._is_ours(p)]

    def wait_no_leftovers(self, timeout: float = 60.0) -> None:
        """Return when no process of this root is left besides the gateway itself.

        Raises TimeoutError listing those that are.
        """
        deadline = time.monotonic() + timeout
        while left := [p for p in self.leftovers() if not self.running or p.pid != self.pid]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still there: {[_look(p) for p in left]}")
            time.sleep(_TICK)

    def _below(self, pid: int) -> list[psutil.Process]:
        try:
            return psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process was started for this root; its environment is the proof.

        A worker's environment is made from scratch and lacks the marker, but its home or its
        temporary folder lies in the test's folder, which no other process has.
        """
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            return False
        if environ.get(MARKER) == str(self.root.path):
            return True
        places = (environ.get(name, "") for name in ("HERMES_HOME", "HOME", "TMPDIR"))
        return any(Path(place).is_relative_to(self.root.base) for place in places if place)

    def _kill(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=5)


def _own_lineage() -> set[int]:
    """Return the ids of this process and its ancestors."""
    me = psutil.Process()
    return {me.pid, *(parent.pid for parent in me.parents())}


def _look(process: psutil.Process) -> Proc | None:
    try:
        with process.oneshot():
            return Proc(process.pid, process.ppid(), " ".join(process.cmdline()))
    except psutil.NoSuchProcess:
        return None
