"""The unit, the alert rules and the dashboard in `configs/` fit what the router does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hermes_router.config.settings import Settings
from hermes_router.turns.story import FAILED, OUTCOMES

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "configs" / "hermes-gateway.service"
NAMES = re.compile(r"\bhermes_router_[a-z_]+")


def documented() -> set[str]:
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    found = set(re.findall(r"^\| `(hermes_router_[a-z_]+)`", text, re.MULTILINE))
    assert len(found) > 10
    return found


def base(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


WRITE_UNIT = """\
from hermes_cli import gateway
print(gateway.generate_systemd_unit())
print("drain", gateway._get_restart_drain_timeout())
"""


def test_the_units_wait_longer_than_a_stop_takes(tmp_path: Path) -> None:
    """The example, and the one that `hermes gateway install` writes."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNIT],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HERMES_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    drain = float(done.stdout.split()[-1])
    for unit in (UNIT.read_text(), done.stdout):
        [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
        assert int(seconds) > drain + 2 * Settings().timeouts.stop
        assert "KillMode=mixed" in unit


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="NOT SHOWN: this machine has no systemd-analyze"
)
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    hermes = tmp_path / "hermes"
    hermes.write_text("#!/bin/sh\n")
    hermes.chmod(0o755)
    unit = tmp_path / "hermes-gateway.service"
    text = UNIT.read_text().replace("%h/.local/bin/hermes", str(hermes))
    for broken in (False, True):
        unit.write_text(text.replace("KillMode=mixed", "KillMode=maybe") if broken else text)
        done = subprocess.run(
            ["systemd-analyze", "--user", "verify", str(unit)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert bool(done.returncode or "kill mode" in done.stderr) == broken, done.stderr


def test_alerts_and_dashboard_use_metrics_that_exist() -> None:
    groups = yaml.safe_load((ROOT / "configs" / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 3
    panels = json.loads((ROOT / "configs" / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in asked:
        names = NAMES.findall(expression)
        assert names
        assert {base(name) for name in names} <= documented(), expression


def test_the_alert_about_failures_counts_all_outcomes_that_are_failures_and_no_others() -> None:
    text = (ROOT / "configs" / "alerts.yaml").read_text()
    [pattern] = re.findall(r'outcome=~"([^"]+)"', text)
    assert {name for name in OUTCOMES if re.fullmatch(pattern, name)} == FAILED
