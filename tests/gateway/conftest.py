"""A real gateway with the router, three profiles, and the fake world around it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hermes_router.workers.worker_log import FILE_NAME
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot, Message
from tests.kit.model.directives import tool
from tests.kit.outside.portal import FakePortal
from tests.kit.waiting import wait_until

CAREER, SYSTEMS, UNROUTED, MISSING = 6, 13, 20, 30
"""Topics of the forum; `MISSING` is routed to a profile that does not exist."""

ONE_GATEWAY = importlib.util.find_spec("hermes_cli.gateway_multiplex_mode") is not None
"""Does this Hermes's gateway serve the bots of all profiles? 0.21.5 and newer do, by default."""

MULTIPLEXING = (True,) if ONE_GATEWAY else (False, True)
"""Values of `multiplex_profiles` that differ: such a Hermes writes true over a false."""

ROUTES = {str(CAREER): "career", str(SYSTEMS): "systems", str(MISSING): "nobody"}
ANSWER_SECONDS = 150.0
_MOMENT = 3.0

#: Steps of a message whose answer can be read, while its turn may go on; and seconds that a turn
#: may take from there to its end.
_ANSWERED = frozenset({"trying", "answered"})
_END_SECONDS = 20.0

#: Seconds for a test and its fixtures. Where the machine is busy, a gateway takes a minute to start
#: and a worker half a minute.
_TEST_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of this folder as much time as one that starts several gateways needs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS), append=False)


@dataclass
class Stage:
    """A gateway that runs, and everything around it."""

    telegram: FakeTelegram
    model: FakeModel
    root: HermesRoot
    gateway: Gateway = field(init=False)

    def ask(self, text: str, thread: int | None, *, contains: str = "", **origin: Any) -> Message:
        """Say something and return the reply in the same place.

        What was asked before is through: its reply arrives a moment before its turn is over, and a
        message in that moment would interrupt it. A turn that waits for a person is not waited for.
        """
        self.wait_answered(_MOMENT)
        seq = self.telegram.seq
        chat = origin.pop("chat_id", FORUM)
        self.telegram.say(text, chat_id=chat, thread_id=thread, **origin)
        return self.telegram.wait_reply(
            chat, thread, contains=contains, after=seq, timeout=ANSWER_SECONDS
        )

    def prompted(self, text: str, thread: int, *, contains: str = "") -> Message:
        """Say something that makes the assistant ask; return the message with the buttons."""
        seq = self.telegram.seq
        self.telegram.say(text, chat_id=FORUM, thread_id=thread)
        return self.telegram.wait_reply(
            FORUM,
            thread,
            contains=contains,
            after=seq,
            timeout=ANSWER_SECONDS,
            where=lambda message: bool(message.buttons),
        )

    def run(self, command: str, thread: int = CAREER) -> str:
        """Have the profile's agent run a command in its terminal; return what came of it."""
        said = tool("terminal", command=command)
        return self.ask(said, thread, contains="tool said").text

    def outside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the gateway's environment, and in no folder of the project's."""
        return subprocess.run(
            command,
            env=self.root.gateway_environ(),
            cwd=self.root.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def wait_answered(self, timeout: float) -> bool:
        """Wait until the gateway takes no routed message for open; say whether that came.

        A turn whose answer can be read gets some seconds more to its end.
        """
        ledger, begun = self.root.path / "hermes-router" / "ledger.jsonl", time.monotonic()
        while steps := open_steps(ledger):
            answered = not _ANSWERED.isdisjoint(steps.values())
            if time.monotonic() - begun > max(timeout, _END_SECONDS * answered):
                return False
            time.sleep(0.02)
        return True

    def worker_log(self, profile: str) -> str:
        """Return what a profile's worker log holds."""
        path = self.root.profiles[profile].path / "logs" / FILE_NAME
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def titles(self, profile: str) -> list[str]:
        """Return what the profile's processes say in ``ps`` that they do, say ``ready``."""
        start = f"hermes_router_worker -p {profile} "
        return [
            process.cmdline.removeprefix(start).strip()
            for process in self.gateway.tree()
            if process.cmdline.startswith(start)
        ]

    def worker_in_turn(self, profile: str) -> int:
        """Return the id of the worker process whose turn began last."""
        lines = [line for line in self.worker_log(profile).splitlines() if " worker turn=" in line]
        return int(lines[-1].split(" pid=")[1].split()[0])

    def wait_settled(self, profile: str, timeout: float = 120.0) -> None:
        """Wait until each turn of a profile is at its end, which means that its worker is gone.

        Processes that are prepared for the next message may be there.
        """
        try:
            wait_until(lambda: _closed(self.worker_log(profile)), timeout)
        except TimeoutError:
            log = self.worker_log(profile)
            raise TimeoutError(f"turns of {profile} go on:\n{log}") from None


def open_messages(ledger: Path) -> list[str]:
    """Return the ids of the messages that have no outcome yet, as a gateway's ledger says."""
    return list(open_steps(ledger))


def open_steps(ledger: Path) -> dict[str, str]:
    """Return how far each message without an outcome has come."""
    steps: dict[str, str] = {}
    for line in ledger.read_text("utf-8", "replace").splitlines() if ledger.is_file() else ():
        with suppress(ValueError):
            steps |= {(entry := json.loads(line))["id"]: entry["step"]}
    return {number: step for number, step in steps.items() if number and step != "settled"}


def _closed(log: str) -> bool:
    return log.count(" hermes-router begin ") == log.count(" hermes-router end ")


LAUNCHER = os.environ.get("LAUNCHER", "local")
"""The launcher of profiles for which a test names none."""


def build_stage(base: Path, telegram: FakeTelegram, model: FakeModel) -> Stage:
    """Build the profiles and the routes; the gateway is not started yet."""
    root = HermesRoot(base, telegram=telegram, model=model)
    root.add_profile("career", model="career-model", api_key="career-key", env={"MARK": "career"})
    root.add_profile("systems", model="systems-model", api_key="systems-key")
    root.configure(
        {
            "plugins": {"enabled": ["hermes-router"]},
            "hermes_router": {"defaults": {"jobs": {"upkeep": False}, "launcher": LAUNCHER}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): ROUTES}}},
        }
    )
    for topic in (CAREER, SYSTEMS, UNROUTED, MISSING):
        telegram.add_topic(topic, f"topic {topic}")
    return Stage(telegram, model, root)


BOXED = 31
"""The topic of :func:`add_boxed`."""


def add_boxed(stage: Stage) -> Stage:
    """Add the profile boxed, whose workers are started in a sandbox, and route a topic to it."""
    stage.root.add_profile("boxed")
    stage.telegram.add_topic(BOXED, "boxed")
    stage.root.configure(
        {
            "hermes_router": {"profiles": {"boxed": {"launcher": "bubblewrap"}}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): {str(BOXED): "boxed"}}}},
        }
    )
    return stage


def start_cold(stage: Stage, *profiles: str) -> Stage:
    """Have nothing prepared for profiles that a file hardly talks to.

    Each start of the gateway would spend some 5 s of processor time on each of them.
    """
    cold = {name: {"warm": {"enabled": False}} for name in profiles}
    stage.root.configure({"hermes_router": {"profiles": cold}})
    return stage


STREAMED = " ".join(f"word{number}" for number in range(1, 41)) + " THE END"


def stream_by_edits(stage: Stage, profile: str = "career") -> Stage:
    """Have a profile's answers appear while the model still writes, say `STREAMED`."""
    stage.root.profiles[profile].configure(
        {"streaming": {"enabled": True, "transport": "edit", "edit_interval": 0.3}}
    )
    return stage


@pytest.fixture(scope="module")
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with FakeModel() as server:
        yield server


@pytest.fixture(scope="module")
def portal() -> Iterator[FakePortal]:
    with FakePortal() as server:
        yield server


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Path]:
    """A folder with a short path: code of a model talks over a Unix socket below it."""
    folder = Path(tempfile.mkdtemp(prefix="hr-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    """A stage whose gateway is not started: a module may override this to configure it."""
    return build_stage(tmp_path_factory.mktemp("stage"), telegram, model)


@pytest.fixture(scope="module")
def ordinary() -> bool:
    """Whether the gateway runs as an ordinary user, also when the tests run as root."""
    return False


@pytest.fixture(scope="module")
def stage(prepared: Stage, ordinary: bool) -> Iterator[Stage]:
    with Gateway(prepared.root, ordinary_user=ordinary) as gateway:
        prepared.gateway = gateway
        gateway.wait_prepared()
        yield prepared
