"""Folders that the user of a command may not read: each command says so in a sentence."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import CHAT, Installation

_CAPABILITIES = "-dac_override,-dac_read_search"
COMMANDS = (
    *(("routes",), ("doctor",), ("test-route", f"telegram:{CHAT}:6"), ("status",), ("turns",)),
    *(
        ("logs",),
        ("metrics",),
        ("enable",),
        ("disable",),
        ("route", "add", f"telegram:{CHAT}:9", "finance"),
    ),
    *(("init", "--dry-run"), ()),
)


@pytest.fixture
def bounded(installation: Installation) -> Iterator[Installation]:
    """An installation whose user is bound by permissions, also where the tests run as root."""
    if os.geteuid() == 0:
        assert shutil.which("setpriv"), "the tests need setpriv (util-linux) to run as root"
        drop = [f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]
        installation.python = ("setpriv", *drop, sys.executable)
    yield installation
    for folder in (installation.home, installation.profile("career")):
        folder.chmod(0o700)


def outputs(installation: Installation) -> dict[tuple[str, ...], str]:
    """Run each command; return what it said on both outputs."""
    said: dict[tuple[str, ...], str] = {}
    for words in COMMANDS:
        shown = installation.run(*words)
        assert shown.status in {0, 1, 2, 3}, (words, shown)
        said[words] = shown.out + shown.err
    return said


def test_a_private_home_is_said_by_each_command(bounded: Installation) -> None:
    bounded.home.chmod(0)
    said = outputs(bounded)
    assert "the configuration has an error" in said.pop(())
    silent = [words for words, text in said.items() if "user" not in text and "denied" not in text]
    assert silent == []
    assert not [words for words, text in said.items() if "[Errno" in text]
    added = next(text for words, text in said.items() if words[:1] == ("route",))
    assert "this user has no permission to read it" in added


def test_a_private_profile_closes_its_routes_alone(bounded: Installation) -> None:
    bounded.profile("career").chmod(0)
    said = outputs(bounded)
    for words in (("routes",), ("doctor",), ("test-route", f"telegram:{CHAT}:6")):
        assert "this user has no permission to read its home" in said[words]
        assert "run this as the user that runs the gateway" in said[words]
    assert "this user has no permission to read it" in said["logs",]
    other = bounded.run("test-route", f"telegram:{CHAT}:general")
    assert other.status == 0, other
    assert "finance" in other.out


def test_a_home_that_cannot_be_written_is_the_error(bounded: Installation) -> None:
    """Hermes then starts with its defaults, and says that the plugin is not enabled."""
    bounded.home.chmod(0o500)
    found = bounded.run("doctor", "--json", "--offline").json["findings"]
    home, *others = [one for one in found if one["severity"] == "error" and one["profile"] is None]
    assert (home["check"], others) == ("gateway-home", [])
    assert home["mend"] == f"chmod u+rwx {bounded.home}"
    added = bounded.run("route", "add", f"telegram:{CHAT}:9", "finance")
    assert added.status == 1
    assert "config.yaml: cannot be written: Permission denied\nTIP: run this as" in added.err
