"""`doctor` warns of what other users can really read: nothing below a folder that is closed."""

from __future__ import annotations

from tests.cli.conftest import Installation


def warned(installation: Installation) -> list[dict[str, str]]:
    found = installation.run("doctor", "--json", "--offline").json["findings"]
    return [one for one in found if one["check"] == "profile-permissions"]


def test_one_warning_says_what_others_may_read_and_closes_it(installation: Installation) -> None:
    career = installation.profile("career")
    career.chmod(0o755)
    (career / "config.yaml").chmod(0o644)
    (career / ".env").chmod(0o600)
    installation.home.chmod(0o755)
    (one,) = warned(installation)
    assert "may read its config.yaml: its mode is 0755 instead of 0700" in one["what"]
    assert (one["where"], one["mend"]) == (str(career), f"chmod 700 {career}")
    career.chmod(0o700)
    assert warned(installation) == []


def test_a_profile_below_a_closed_root_is_no_warning(installation: Installation) -> None:
    installation.profile("career").chmod(0o755)
    installation.home.chmod(0o755)
    assert len(warned(installation)) == 1
    installation.home.chmod(0o700)
    assert warned(installation) == []
