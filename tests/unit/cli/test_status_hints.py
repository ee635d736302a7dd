"""`status` names its own commands as the person has called it: with the home that was given."""

from __future__ import annotations

import pytest

from hermes_router.cli.commands import status
from hermes_router.observe.status.messages import Configuration, Status


def _status(closed: str) -> Status:
    found = Configuration(file="config.yaml", routes=0, warm_profiles=8)
    return Status(pid=4_194_299, home="/h", uptime=86.0, routing_closed=closed, configuration=found)


@pytest.mark.parametrize(
    ("closed", "words"),
    [("Hermes lacks a function", "hermes-router doctor --home /h"), ("", "PROFILE --home /h")],
)
def test_a_tip_names_the_home(closed: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    status.show(_status(closed), "hermes-router {} --home /h".format)
    shown = capsys.readouterr()
    assert words in shown.out + shown.err


def test_a_tip_names_no_home_where_none_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    status.show(_status("Hermes lacks a function"))
    assert "TIP: hermes-router doctor says" in capsys.readouterr().err
