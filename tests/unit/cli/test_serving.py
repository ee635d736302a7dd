"""What the commands say of the running gateway, by its own record and the files of now."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.serving import Serving
from hermes_router.config.model import load
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.state.running import RunningRecord

GOOD = "profile_routes: [{platform: telegram, chat_id: 1, profile: default}]\n"
OTHER = "profile_routes: [{platform: telegram, chat_id: 2, profile: default}]\n"
BROKEN = "profile_routes: [\n"


class ThisGateway:
    """A gateway that is this process: it reads the file as one does at each message."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "config.yaml"
        self._watcher = ConfigWatcher(self.file, lambda: load(self.file))
        self._record = RunningRecord(home)

    def write(self, text: str) -> None:
        """Write the file as an editor that finished a while ago."""
        self.file.write_text(text)
        old = time.time() - 60
        os.utime(self.file, (old, old))

    def message(self) -> None:
        self._watcher.reload()
        self._record.note(self._watcher.snapshot, self._watcher.error, self._watcher.seen)

    def serving(self) -> Serving:
        return loading.load(str(self.home)).serving


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ThisGateway:
    monkeypatch.setattr(loading, "running_gateway", lambda _: os.getpid())
    return ThisGateway(tmp_path)


def test_a_corrected_file_is_refused_no_more_before_the_next_message(gateway: ThisGateway) -> None:
    gateway.write(GOOD)
    gateway.message()
    gateway.write(BROKEN)
    gateway.message()
    refused = gateway.serving()
    assert (refused.state, refused.mend) == (
        "refused",
        "correct the file; no restart is needed",
    )
    gateway.write(OTHER)
    corrected = gateway.serving()
    assert corrected.state == "older"
    assert corrected.what.endswith("with an older table of 1 route")
    assert corrected.mend == "nothing: the gateway reads the file at the next message"
    gateway.write(GOOD)
    assert gateway.serving().state == "serving"


def test_a_file_that_only_the_gateway_cannot_read_stays_refused(
    gateway: ThisGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.write(BROKEN)
    gateway.message()
    readable = gateway.home / "readable.yaml"
    readable.write_text(GOOD)
    monkeypatch.setattr(loading, "read", lambda *_: (load(readable), None))
    assert gateway.serving().state == "refused"


def test_a_gateway_that_began_with_a_broken_file_has_no_table(gateway: ThisGateway) -> None:
    gateway.write(BROKEN)
    gateway.message()
    mend = f"correct the file; then HERMES_HOME={gateway.home} hermes gateway restart"
    assert gateway.serving().mend == mend
    gateway.write(GOOD)
    corrected = gateway.serving()
    assert (corrected.state, corrected.what.rpartition(", ")[2]) == ("older", "with no table")
