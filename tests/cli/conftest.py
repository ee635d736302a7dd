"""Hermes homes to look at, and the real command to look with. No gateway, no model."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hermes_router.observe.status import messages
from hermes_router.observe.status.messages import Status
from hermes_router.protocol.system.pids import start_time

ROOT = Path(__file__).resolve().parents[2]
CHAT = "-1003961179976"

#: What the command needs of a Python without Hermes.
PACKAGES = (
    *("hermes_router", "hermes_router_worker", "msgspec", "yaml", "_yaml", "dotenv"),
    *("anyio", "idna", "typing_extensions"),
)

CONFIG = f"""\
# routes of the test
gateway:
  profile_routes:
    telegram:
      "{CHAT}":
        6: career
        7: absent
        8: default
        general: finance
        "*": finance
plugins:
  enabled: [hermes-router]
"""


@dataclass
class Shown:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, decoded."""
        return json.loads(self.out)


@dataclass
class Installation:
    """A Hermes home with two profiles, and a user's own folder beside it."""

    base: Path
    python: Sequence[str] = (sys.executable,)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.base / "hermes"

    @property
    def config(self) -> Path:
        return self.home / "config.yaml"

    def profile(self, name: str) -> Path:
        return self.home / "profiles" / name

    def add_profile(self, name: str, config: str, dotenv: str = "") -> Path:
        home = self.profile(name)
        home.mkdir(parents=True)
        home.chmod(0o700)
        (home / "config.yaml").write_text(config)
        (home / ".env").write_text(dotenv)
        (home / ".env").chmod(0o600)
        return home

    def environ(self, **changes: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.base / "user"),
            "XDG_STATE_HOME": str(self.base / "state"),
            "HERMES_HOME": str(self.home),
            **self.extra,
            **changes,
        }

    def patch(self, code: str) -> None:
        """Have each Python that the command starts run this code first."""
        folder = self.base / "patch"
        folder.mkdir()
        (folder / "usercustomize.py").write_text("")
        (folder / "sitecustomize.py").write_text(code)
        self.extra["PYTHONPATH"] = str(folder)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Shown:
        """Run ``hermes-router`` with these arguments."""
        done = subprocess.run(
            [*self.python, "-m", "hermes_router.cli", *arguments],
            env=self.environ() if env is None else dict(env),
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Shown(done.returncode, done.stdout, done.stderr)


def processor_seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a command; return its processor time in seconds, whoever else uses the machine."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


MODEL = "model: {default: small-model, provider: custom, base_url: 'http://127.0.0.1:1/v1'}\n"


def build(base: Path) -> Installation:
    """Make the home of `CONFIG`: profiles career and finance exist, absent does not."""
    made = Installation(base)
    (base / "user").mkdir(parents=True)
    made.home.mkdir()
    made.config.write_text(CONFIG)
    made.add_profile("career", MODEL, "CAREER_SECRET=hunter2\nOPENROUTER_API_KEY=sk-hidden\n")
    made.add_profile("finance", MODEL)
    return made


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return build(tmp_path)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the router and what it depends on, installed as a wheel would be: no Hermes."""
    folder = tmp_path_factory.mktemp("packages")
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


@contextlib.contextmanager
def gateway_of(home: Path) -> Iterator[int]:
    """Have Hermes's pid file name a process as a home's gateway; give its id, and end it."""
    line = [sys.executable, "-c", "input()", "gateway"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as process:
        record = {"pid": process.pid, "start_time": start_time(process.pid)}
        (home / "gateway.pid").write_text(json.dumps(record))
        yield process.pid
        process.kill()


@contextlib.contextmanager
def answering(installation: Installation, state: Status) -> Iterator[None]:
    """Have a gateway's status socket answer each question with this state."""
    path = messages.socket_of(installation.home)
    path.parent.mkdir(exist_ok=True)
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(messages.MAX_REQUEST)
                    connection.sendall(messages.encode(messages.Answer(status=state)))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.settimeout(0.1)
        listener.listen()
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        try:
            yield
        finally:
            ended.set()
            server.join(100.0)


@pytest.fixture
def without_hermes(installation: Installation, packages: Path) -> Installation:
    """The same, for a Python that has no Hermes."""
    installation.python = (sys.executable, "-S")
    installation.extra["PYTHONPATH"] = str(packages)
    return installation
