"""The two sides: a plain gateway that runs as `career`, and one that routes to `career`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hermes_router.workers.worker_log import FILE_NAME
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot, Home
from tests.tools.parity.settings import Setting, speech

PROFILE = "career"
FIRST_USER = 8_800_000
"""Ids of the direct chats count from here."""

OWN_MODEL = "gpt-of-career"
"""A name for which Hermes offers /fast until 0.20."""

Name = Literal["plain", "routed"]

_LAST_MESSAGE = {"plain": 20_000, "routed": 30_000}
"""Ids of messages count from here: never alike, as nothing that is compared may depend on them."""


@dataclass
class Side:
    """One gateway with its own platform and model, so that nothing of the other is in sight."""

    name: Name
    telegram: FakeTelegram
    model: FakeModel
    root: HermesRoot
    gateway: Gateway
    given_up: int = 0
    """Turns of scenarios that failed, which nobody waits for."""

    @property
    def profile(self) -> Home:
        """The home of the profile that answers."""
        return self.root.profiles[PROFILE]

    @property
    def workspace(self) -> Path:
        """Where its tools run."""
        return self.profile.path / "workspace"

    def wait_settled(self, timeout: float = 60.0) -> None:
        """Wait until nothing of a turn goes on: of a routed one, until its worker is gone.

        Not while a person is asked or work goes on behind: the scenario ends those.
        """
        if self.name == "routed":
            self.telegram.wait_idle(quiet=0.5, timeout=timeout)
            self._wait_no_worker(timeout)
        else:  # nothing tells that its session is idle and its thread has ended
            self.telegram.wait_idle(quiet=2.5, timeout=timeout)
        self.model.journal.wait(self._model_idle, timeout, self.model.listing)

    def give_up(self) -> None:
        """Go on although a scenario left something running."""
        self.given_up = self._running()

    def _running(self) -> int:
        path = self.profile.path / "logs" / FILE_NAME
        log = path.read_text("utf-8", "replace") if path.exists() else ""
        return log.count(" hermes-router begin ") - log.count(" hermes-router end ")

    def _model_idle(self) -> bool | None:
        return all(request.end is not None for request in self.model.journal.all()) or None

    def _wait_no_worker(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self._running() > self.given_up:
            if time.monotonic() > deadline:
                raise TimeoutError(f"a turn goes on:\n{self.profile.log(FILE_NAME)[-3000:]}")
            time.sleep(0.05)


@contextmanager
def running(name: Name, base: Path, setting: Setting, users: int) -> Iterator[Side]:
    """Start one side in a folder of its own; `users` direct chats may be used."""
    with FakeTelegram() as telegram, FakeModel(models=(OWN_MODEL, "other-model")) as model:
        telegram.world.last_message = _LAST_MESSAGE[name]
        root = HermesRoot(base, telegram=telegram, model=model)
        career = root.add_profile(PROFILE, model=OWN_MODEL, api_key="career-key")
        allowed = [str(FIRST_USER + number) for number in range(users)]
        allowed.append(root.path.joinpath(".env").read_text().strip().split("=")[1])
        root.extra_environ |= setting.environ
        _configure(root, career, setting, ",".join(allowed))
        setting.furnish(root, career)
        gateway = Gateway(root)
        if name == "plain":
            arguments = f"-m hermes_cli.main -p {PROFILE} gateway run"
            gateway.command = [sys.executable, *arguments.split()]
            # Hermes 0.22 starts a gateway of one profile only where this is set.
            career.configure({"gateway": {"standalone": True}})
        else:
            routes: dict[str, Any] = {str(FORUM): {"*": PROFILE}}
            routes |= dict.fromkeys(allowed, PROFILE)
            root.configure(
                {
                    "plugins": {"enabled": ["hermes-router"]},
                    "gateway": {"profile_routes": {"telegram": routes}},
                }
            )
        with gateway:
            gateway.wait_prepared()
            yield Side(name, telegram, model, root, gateway)


def _configure(root: HermesRoot, career: Home, setting: Setting, allowed: str) -> None:
    """Give both homes the same platform, and the profile what the setting says."""
    for home in (root, career):
        home.env({"TELEGRAM_ALLOWED_USERS": allowed})
    root.configure({"platforms": {"telegram": {"extra": dict(setting.extra)}}})
    telegram = root.config["platforms"]["telegram"]
    channel = {"chat_id": str(FORUM), "name": "Home", "platform": "telegram"}
    career.configure(
        {
            "terminal": {"cwd": str(career.path / "workspace")},
            "onboarding": {"seen": {"busy_input_prompt": True, "tool_progress_prompt": True}},
            "platforms": {"telegram": telegram | {"home_channel": channel}},
            **speech(root.base),
        }
    )
    career.configure(dict(setting.config))
