"""`doctor` warns of what other users can really read: nothing below a folder that is closed."""

from __future__ import annotations

from tests.cli.conftest import Installation


def warned(installation: Installation) -> list[str]:
    found = installation.run("doctor", "--json", "--offline").json["findings"]
    return [one["where"] for one in found if one["check"] == "profile-permissions"]


def test_a_profile_below_a_closed_root_is_no_warning(installation: Installation) -> None:
    career = installation.profile("career")
    career.chmod(0o755)
    (career / "config.yaml").chmod(0o644)
    installation.home.chmod(0o755)
    assert warned(installation) == [str(career), str(career / "config.yaml")]
    installation.home.chmod(0o700)
    assert warned(installation) == []
