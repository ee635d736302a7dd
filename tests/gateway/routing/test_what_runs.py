"""What the running gateway does, as the commands tell it: not what its files would mean."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import CAREER, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def prepared(tmp_path: Path, telegram: FakeTelegram, model: FakeModel) -> Stage:
    return build_stage(tmp_path, telegram, model)


def command(stage: Stage, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "hermes_router.cli", *arguments, "--json"],
        env=stage.root.gateway_environ(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def state(stage: Stage, *arguments: str) -> str:
    return str(command(stage, *(arguments or ("routes",)))["config"]["gateway"]["state"])


def test_the_commands_tell_what_the_gateway_does(prepared: Stage) -> None:
    stage = prepared
    record = stage.root.path / "hermes-router" / "running.json"
    file = stage.root.path / "config.yaml"
    good = file.read_text("utf-8")
    assert state(stage) == "not-running"
    with Gateway(stage.root):
        stage.ask("hello", CAREER)
        assert state(stage) == "serving"
        assert state(stage, "routes", "--offline") == "offline"
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert state(stage, "test-route", "telegram:-1:1") == "serving"

        file.write_text(f"# a comment says nothing\n{good}")
        assert state(stage) == "serving"
        file.write_text(good + "hermes_router_: {}\nprofile_routes: [{platform: telegram}]\n")
        stage.ask("hello", CAREER)
        refused = command(stage, "routes")["config"]["gateway"]
        assert (refused["state"], bool(refused["refused"])) == ("refused", True)
        file.write_text("")
        emptied = command(stage, "routes")
        assert emptied["exit_status"] == 2
        assert "is empty" in emptied["problems"][0]["message"]
        instead: list[tuple[Callable[[], object], str]] = [
            (lambda: None, "was removed"),
            (lambda: file.symlink_to("nowhere"), "was removed"),
            (file.mkdir, "it is not a regular file"),
        ]
        for make, told in instead:
            gone(file)
            make()
            assert "echo: still routed" in stage.ask("still routed", CAREER).text
            shown = command(stage, "test-route", f"telegram:{FORUM}:{CAREER}")
            assert (shown["exit_status"], shown["outcome"]) == (2, "config_error")
            assert told in shown["problems"][0]["message"]
        gone(file)
        file.write_text(good)
        stage.ask("hello", CAREER)
        stage.root.configure({"hermes_router": {"unmatched": "deny"}})
        assert state(stage) == "older"

        lies = json.loads(record.read_text())
        lies["code"]["router_code"] = "another"
        record.write_text(json.dumps(lies))
        older = command(stage, "routes")["config"]["gateway"]
        assert (older["state"], older["mend"]) == ("older", "hermes gateway restart")
    assert not record.exists()
    assert state(stage) == "not-running"


def gone(file: Path) -> None:
    """Remove what stands where the configuration does."""
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


def test_a_gateway_without_the_router_is_told(prepared: Stage) -> None:
    prepared.root.configure({"plugins": {"enabled": []}})
    with Gateway(prepared.root):
        told = command(prepared, "routes")["config"]["gateway"]
        assert told["state"] == "without-router"
        assert told["mend"] == "hermes-router doctor finds why"
        routed = command(prepared, "test-route", f"telegram:{FORUM}:{CAREER}")
        assert (routed["outcome"], routed["exit_status"]) == ("without_router", 1)
        doctor = command(prepared, "doctor")
        found = {item["check"]: item["severity"] for item in doctor["findings"]}
        assert found["gateway"] == "error"
        assert found["plugin-enabled"] == "error"
        assert doctor["exit_status"] == 1
