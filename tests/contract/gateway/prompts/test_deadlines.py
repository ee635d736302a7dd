"""An approval of a routed profile says how long that profile waits, whatever the gateway's says."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins.platforms.telegram.adapter import TelegramAdapter

from hermes_router.hermes.compat.replacing import patches
from hermes_router.hermes.compat.replacing.patching import owner_of
from hermes_router.hermes.compat.seams import texts
from hermes_router.hermes.features import deadlines
from hermes_router.profiles.model import Profile

pytestmark = pytest.mark.anyio

says_a_time = pytest.mark.skipif(
    owner_of(patches.APPROVAL_SECONDS) is None, reason="Hermes says no time before 0.21.3"
)


def asked() -> int:
    """Return the seconds that an approval says which is written now."""
    from gateway.platforms import base

    return int(base.approval_timeout_seconds())


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    from gateway.platforms import base

    name = "approval_timeout_seconds"
    monkeypatch.setattr(base, name, getattr(base, name))  # to be put back
    deadlines.install()
    return Profile(name="career", home=tmp_path)


async def test_an_approval_can_be_shown_in_every_hermes(tmp_path: Path) -> None:
    deadlines.install()
    shown = False
    async with deadlines.own_seconds(Profile(name="career", home=tmp_path), "send_exec_approval"):
        shown = True
    assert shown


@says_a_time
@pytest.mark.parametrize(("written", "seconds"), [("12", 12), ("'90'", 90), ("never", None)])
async def test_the_profiles_time_counts_while_its_approval_is_shown(
    profile: Profile, written: str, seconds: int | None
) -> None:
    (profile.home / "config.yaml").write_text(f"approvals: {{timeout: {written}}}\n")
    before = asked()
    async with deadlines.own_seconds(profile, "send_exec_approval"):
        assert asked() == (seconds or texts.default_approval_seconds())
    async with deadlines.own_seconds(profile, "send"):
        assert asked() == before
    assert asked() == before


@says_a_time
async def test_the_text_of_the_real_adapter_says_it(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.platforms import base

    monkeypatch.setattr(base, "format_approval_deadline_line", str)
    (profile.home / "config.yaml").write_text("approvals: {timeout: 12}\n")
    adapter = TelegramAdapter.__new__(TelegramAdapter)
    async with deadlines.own_seconds(profile, "send_exec_approval"):
        assert adapter._format_exec_approval("rm -r precious", "why").endswith("12")
    assert not adapter._format_exec_approval("rm -r precious", "why").endswith("12")
