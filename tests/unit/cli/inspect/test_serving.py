"""What the commands say of the running gateway, by its own record and the files of now."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hermes_router.cli import parser
from hermes_router.cli.commands import doctor, metrics
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.answer import Answer
from hermes_router.cli.inspect.gateway import unanswered
from hermes_router.cli.inspect.gateway.serving import Serving
from hermes_router.config.model import load
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.observe.status.client import NoAnswer
from hermes_router.routing.table import Place
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
    for module in (loading, unanswered):
        monkeypatch.setattr(module, "running_gateway", lambda _: os.getpid())
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


@pytest.mark.parametrize(
    ("text", "by_table", "outcome"),
    [
        (GOOD.replace("default", "career"), "worker", "without_router"),
        (GOOD, "in_process", "without_router"),
        ("hermes_router: {unmatched: deny}\n", "denied", "without_router"),
        (OTHER, "unmatched", "unmatched"),
        (GOOD.replace("default", "absent"), "unusable", "unusable"),
    ],
)
def test_nobody_answers_by_the_table_of_a_gateway_without_the_router(
    gateway: ThisGateway,
    capsys: pytest.CaptureFixture[str],
    text: str,
    by_table: str,
    outcome: str,
) -> None:
    career = gateway.home / "profiles" / "career"
    career.mkdir(parents=True)
    (career / "config.yaml").write_text("model: {default: m, provider: nous, api_key: k}\n")
    gateway.write(text)
    place = Place("telegram", "1")
    answer = Answer(loading.load(str(gateway.home)), place)
    assert (answer.by_table, answer.outcome) == (by_table, outcome)
    assert answer.status == (3 if outcome == "unusable" else 1)
    answer.show_decision()
    headline = capsys.readouterr().out.splitlines()[0]
    assert headline.startswith("not routed: the running gateway is without the router; with the")
    offline = Answer(loading.load(str(gateway.home), offline=True), place)
    assert offline.outcome == by_table
    offline.show_decision()
    assert headline.endswith(capsys.readouterr().out.splitlines()[0])


def test_a_gateway_without_the_router_is_told_with_the_command_that_finds_why(
    gateway: ThisGateway,
) -> None:
    gateway.write(GOOD)
    doctors = f"hermes-router doctor --home {gateway.home}"
    assert gateway.serving().mend == f"{doctors} finds why"
    found = doctor.look(loading.load(str(gateway.home)), {})
    (of_gateway,) = (finding for finding in found if finding.check == "gateway")
    assert "doctor" not in of_gateway.mend
    options = parser.build_parser().parse_args(["metrics", "--home", str(gateway.home)])
    with pytest.raises(NoAnswer, match="without the router: it routes nothing") as caught:
        metrics.run(options)
    assert doctors in caught.value.hint
