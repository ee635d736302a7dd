"""Which profiles Hermes finds to serve in the gateway's own process, once routes hold some back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.in_process import ROUTES, run

_SERVED = """
import json
import hermes_cli.profiles as profiles
from hermes_router.hermes.features.in_process import hold_back_routed_profiles
hold_back_routed_profiles()
print(json.dumps({"served": [name for name, _home in profiles.profiles_to_serve(True)]}))
"""

_BY_A_LINK = """
import os, pathlib
home = pathlib.Path(os.environ["HERMES_HOME"])
(home.parent / "link").symlink_to(home)
os.environ.update(HOME=str(home.parent), HERMES_HOME=str(home.parent / "link"))
"""


@pytest.mark.parametrize(
    ("launcher", "served"), [("local", ["default", "career"]), ("bubblewrap", ["default"])]
)
def test_a_bot_of_its_own_has_no_sandboxed_profile_served(
    tmp_path: Path, launcher: str, served: list[str]
) -> None:
    """A profile in a sandbox writes its own home, and so could name any bot in it."""
    career = tmp_path / "profiles" / "career"
    career.mkdir(parents=True)
    (tmp_path / ".env").write_text("TELEGRAM_BOT_TOKEN=1:gateway\n")
    settings = f"hermes_router: {{defaults: {{launcher: {launcher}}}}}\n"
    assert run(_SERVED, tmp_path, settings + ROUTES) == {"served": ["default"]}
    (career / ".env").write_text("DISCORD_BOT_TOKEN=anything\n")
    assert run(_SERVED, tmp_path, settings + ROUTES) == {"served": served}


def test_a_link_to_the_gateways_home_has_no_routed_profile_served(tmp_path: Path) -> None:
    """Hermes says ``~/.hermes`` for a link to it, and finds the profiles there."""
    home = tmp_path / ".hermes"
    home.mkdir()
    assert run(_BY_A_LINK + _SERVED, home) == {"served": ["default"]}
