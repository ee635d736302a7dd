"""Why a routed profile's command line hands no session over: Hermes refuses before it notes one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
from hermes_cli.cli_commands_mixin import CLICommandsMixin
print("goes on:", CLICommandsMixin()._handle_handoff_command("/handoff telegram"))
"""


def test_hermes_hands_over_to_no_platform_that_the_profile_has_not_itself(tmp_path: Path) -> None:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    (home / ".env").write_text("TELEGRAM_HOME_CHANNEL=-100\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"HERMES_HOME": str(home), "HOME": str(tmp_path), "TELEGRAM_HOME_CHANNEL": "-100"},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    said = ("'telegram' is not configured/enabled in the gateway", "handoff.platform_not_enabled")
    assert any(words in done.stdout for words in said)  # a Hermes without texts prints their keys
    assert not list(home.glob("state.db"))
